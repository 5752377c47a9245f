"""What is to be registered, found where it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from hokusai.errors import RequestRefused
from hokusai.mlflow_compat import has_file, model_id_of, run_and_path, underlying_uri
from hokusai.reach.addresses import is_server, shown
from hokusai_mlflow_plugin.domain.origin import (
    ORIGIN_MODEL_TAG,
    ORIGIN_RUN_TAG,
    ORIGIN_TRACKING_TAG,
)

_TAGS = (ORIGIN_TRACKING_TAG, ORIGIN_RUN_TAG, ORIGIN_MODEL_TAG)
_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


@dataclass(frozen=True)
class Origin:
    """A model's files, with the run and the logged model that they belong to, if any."""

    tracking_uri: str
    artifact_uri: str
    run: Any = None
    """MLflow's ``Run``."""
    model: Any = None
    """MLflow's ``LoggedModel``."""
    name: str = "model"
    """What the model was called where it was made."""

    @property
    def tags(self) -> dict[str, str]:
        """What a version says of where it was made (R16).

        Of a copy's copy, where the first one was made: on whichever way it came, it has one origin,
        which backs one reward (R14).
        """
        of_run = {} if self.run is None else self.run.data.tags
        for known in (of_run, {} if self.model is None else self.model.tags):
            if ORIGIN_TRACKING_TAG in known:
                return {key: known[key] for key in _TAGS if key in known}
        tags = {ORIGIN_TRACKING_TAG: shown(self.tracking_uri)}
        if self.run is not None:
            tags[ORIGIN_RUN_TAG] = self.run.info.run_id
        if self.model is not None:
            tags[ORIGIN_MODEL_TAG] = self.model.model_id
            if self.run is None and self.model.source_run_id:  # that run is gone
                tags[ORIGIN_RUN_TAG] = self.model.source_run_id
        return tags

    @property
    def run_link(self) -> str | None:
        """The page of its run, where a server has one."""
        if self.run is None or not is_server(self.tracking_uri):
            return None
        info, server = self.run.info, shown(self.tracking_uri).rstrip("/")
        return f"{server}/#/experiments/{info.experiment_id}/runs/{info.run_id}"


def find_origin(tracking_uri: str, source: str, run_id: str | None, model_id: str | None) -> Origin:
    """What a source names in a tracking store.

    Args:
        tracking_uri: The tracking store.
        source: ``models:/m-…``, ``runs:/…``, a URI of artifacts or a local folder.
        run_id: Its run, where the caller knows that.
        model_id: Its logged model, likewise.

    Raises:
        MlflowException: The store has no such run or logged model.
        RequestRefused: The run has no such model, or several.
    """
    client = MlflowClient(tracking_uri=tracking_uri)
    model_id = model_id_of(source) or model_id
    path: str | None = None
    if parsed := run_and_path(source):
        run_id, path = parsed
        if model_id is None:
            source, model_id = _of_run(client, source, run_id, path)
    model = client.get_logged_model(model_id) if model_id else None
    if model is not None:
        return Origin(
            tracking_uri,
            model.artifact_location,
            _run(client, run_id or model.source_run_id, required=run_id is not None),
            model,
            model.name,
        )
    name = (path or source).rstrip("/").rpartition("/")[2]
    return Origin(tracking_uri, source, _run(client, run_id, required=True), None, name)


def first_run(tracking_uri: str, run_id: str) -> str:
    """The run that a run is a copy of (R16); itself where it is none, or gone."""
    run = _run(MlflowClient(tracking_uri=tracking_uri), run_id, required=False)
    return run_id if run is None else str(run.data.tags.get(ORIGIN_RUN_TAG, run_id))


def _run(client: MlflowClient, run_id: str | None, *, required: bool) -> Any:
    """A run; None where a logged model names one that is gone."""
    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if required or error.error_code != _MISSING:
            raise
        return None


def _of_run(
    client: MlflowClient, source: str, run_id: str, path: str | None
) -> tuple[str, str | None]:
    """Where a run has a model: its artifacts, as MLflow 2 logs it, else its logged model."""
    if not path or "'" in path:
        raise RequestRefused(f"{source!r} names no model of a run: use runs:/RUN_ID/NAME.")
    files = underlying_uri(source, str(client.tracking_uri))
    if has_file(files, str(client.tracking_uri), "MLmodel"):
        return files, None
    experiment = client.get_run(run_id).info.experiment_id
    found: list[str] = []
    token: str | None = None
    while True:
        page = client.search_logged_models(
            [experiment], filter_string=f"name = '{path}'", page_token=token
        )
        found += [each.model_id for each in page if each.source_run_id == run_id]
        if not (token := page.token):
            break
    if len(found) != 1:
        problem = "no model" if not found else f"{len(found)} models"
        raise RequestRefused(
            f"Run {run_id} has {problem} of the name {path!r}. Name the logged model itself: "
            "models:/m-…"
        )
    return f"models:/{found[0]}", found[0]
