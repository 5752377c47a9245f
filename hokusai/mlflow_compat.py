"""Every name of MLflow's that the client uses and that is not public."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.utils.models import _parse_model_id_if_present
from mlflow.tracking._model_registry import fluent as _fluent
from mlflow.tracking._model_registry import utils as _registry
from mlflow.tracking._tracking_service import utils as _tracking
from mlflow.utils import workspace_context as _workspace
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS
from mlflow.utils.uri import is_local_uri

VERSIONS_OF_MODEL = str(MLFLOW_MODEL_VERSIONS)
"""Tag of a logged model: the versions that it was registered as, in JSON."""


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


def active_workspace() -> str | None:
    """The workspace that MLflow's client works in; None for the server's default one."""
    return _workspace.get_request_workspace()


_registering: ContextVar[bool] = ContextVar("hokusai_registering", default=False)


@contextmanager
def registering() -> Iterator[None]:
    """While the block runs, the registered model and its version are made together."""
    token = _registering.set(True)
    try:
        yield
    finally:
        _registering.reset(token)


def is_registering() -> bool:
    """Whether ``mlflow.register_model``, a ``log_model`` that registers, or this package's own way
    to register called this code.

    They create the registered model first and tell the store nothing (``_register_model``,
    MLflow 3.17), so that a model made by hand looks the same to it. Only who called can tell.
    """
    if _registering.get():
        return True
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _fluent._register_model.__code__:
            return True
        frame = frame.f_back
    return False


def model_id_of(source: str) -> str | None:
    """The logged model that a source names, if any."""
    found = _parse_model_id_if_present(source)
    return None if found is None else str(found)


def run_and_path(source: str) -> tuple[str, str | None] | None:
    """Run and path of a ``runs:/`` URI; None where it is another one."""
    if not RunsArtifactRepository.is_runs_uri(source):
        return None
    run_id, path = RunsArtifactRepository.parse_runs_uri(source)
    return run_id, path


def underlying_uri(runs_uri: str, tracking_uri: str) -> str:
    """Where the files of a ``runs:/`` URI are."""
    return str(RunsArtifactRepository.get_underlying_uri(runs_uri, tracking_uri))


def open_files(artifact_uri: str, tracking_uri: str) -> Any:
    """MLflow's artifact repository of a URI, resolved for a tracking server."""
    return get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)


def has_file(artifact_uri: str, tracking_uri: str, name: str) -> bool:
    """Whether a file is directly under a URI."""
    listed = open_files(artifact_uri, tracking_uri).list_artifacts()
    return any(each.path == name for each in listed)


def local_folder(artifact_uri: str) -> Path | None:
    """The folder of this machine that a URI of artifacts names, if it names one."""
    return Path(local_file_uri_to_path(artifact_uri)) if is_local_uri(artifact_uri) else None


def download_file(files: Any, path: str, target: Path) -> None:
    """Write one file of an artifact repository to a local one."""
    files._download_file(path, str(target))


def latest_metrics(run: Any) -> list[Metric]:
    """The latest value of each metric of a run, with step and time."""
    return list(run.data._metric_objs)


def log_to_run(
    tracking_uri: str, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()
) -> None:
    """Log to a run of a server what is given and nothing else, in requests that it takes.

    ``MlflowClient.log_batch`` would add the active logged model of this process, which is one of
    another server.
    """
    store = _tracking._get_store(tracking_uri)
    for start in range(0, len(params), _MOST_PARAMS):
        store.log_batch(run_id, [], params[start : start + _MOST_PARAMS], [])
    for start in range(0, len(metrics), _MOST_METRICS):
        store.log_batch(run_id, metrics[start : start + _MOST_METRICS], [], [])


def end_run(tracking_uri: str, run_id: str, status: str, end_time_ms: int | None) -> None:
    """End a run as ``MlflowClient.set_terminated`` does, without printing where to look at it."""
    ended = RunStatus.from_string(status)
    _tracking._get_store(tracking_uri).update_run_info(run_id, ended, end_time_ms, None)


_MOST_PARAMS = 100
_MOST_METRICS = 1000
