"""Every name of MLflow's that the client uses and that is not public.

MLflow's fluent functions take the registry and the tracking server from two module variables, which
``mlflow.set_registry_uri`` and ``mlflow.set_tracking_uri`` set. Those functions cannot put them
back: they also write environment variables, and the second one forgets where traces go.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow import MlflowClient
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.utils.models import _parse_model_id_if_present
from mlflow.tracking._model_registry import utils as _registry
from mlflow.tracking._tracking_service import utils as _tracking

# MLflow's two variables are the process's own: of two threads in ``selected`` at once, the second
# would put back what the first had set.
_selecting = threading.RLock()


def resolve_uris(registry_uri: str | None, tracking_uri: str | None) -> tuple[str, str]:
    """Registry and tracking URI as ``MlflowClient`` resolves them."""
    return (
        str(_registry._resolve_registry_uri(registry_uri, tracking_uri)),
        str(_tracking._resolve_tracking_uri(tracking_uri)),
    )


def open_store(registry_uri: str, tracking_uri: str) -> Any:
    """MLflow's registry store for a URI; MLflow keeps one for each."""
    return _registry._get_store(registry_uri, tracking_uri)


def require_workspace_support(rest_store: Any) -> None:
    """Refuse to ask a server without workspaces for those of the active workspace."""
    rest_store._validate_workspace_support_if_specified()


def require_source(client: MlflowClient, model_uri: str) -> None:
    """Refuse a model URI whose run, logged model or version MLflow does not have.

    Other URIs, and what a run has at the path, MLflow looks at while it registers.

    Raises:
        MlflowException: There is no such thing, or the URI is none.
    """
    if RunsArtifactRepository.is_runs_uri(model_uri):
        client.get_run(RunsArtifactRepository.parse_runs_uri(model_uri)[0])
    elif model_uri.startswith("models:"):
        model_id = _parse_model_id_if_present(model_uri)
        if model_id is not None:
            client.get_logged_model(model_id)


@contextmanager
def selected(registry_uri: str, tracking_uri: str) -> Iterator[None]:
    """Point MLflow's fluent functions at these stores, for a while.

    One thread at a time. The environment and the tracing setup stay as they are.
    """
    with _selecting:
        before = _registry._registry_uri, _tracking._tracking_uri
        _registry._registry_uri, _tracking._tracking_uri = registry_uri, tracking_uri
        try:
            yield
        finally:
            _registry._registry_uri, _tracking._tracking_uri = before
