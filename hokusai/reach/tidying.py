"""What registrations left behind whose process was killed, found and removed (R16).

Every copy is marked as unfinished until a version names it. One that is marked so for long is
nobody's work any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from hokusai.new_models import is_untouched, remove_empty_model
from hokusai.reach.transfers import Files
from hokusai_mlflow_plugin.domain.origin import (
    COPIED,
    COPY_FOR_TAG,
    COPY_ID_TAG,
    COPY_TAG,
    COPYING,
    ORIGIN_TRACKING_TAG,
    begun_ms,
)

_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_UNFINISHED = f"tags.{COPY_TAG} = '{COPYING}'"
_EXPERIMENTS_AT_ONCE = 100


@dataclass
class LeftOver:
    """One copy that was not finished."""

    copy_id: str
    origin: str
    """Where the model was tracked."""
    empty_model: str | None = None
    """The registered model that was created for it, where that has nothing in it."""
    logged_models: list[Any] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    is_named: bool = False
    """Whether a version names it after all: only the mark was not taken off any more."""

    @property
    def begun_ms(self) -> int:
        """When the copy was begun, by the clock of who made it."""
        return begun_ms(self.copy_id)


def left_overs(server_uri: str, before_ms: int) -> list[LeftOver]:
    """The unfinished copies of a server that were begun before a time, oldest first."""
    client = MlflowClient(tracking_uri=server_uri, registry_uri=server_uri)
    found: dict[str, LeftOver] = {}
    for experiments in _chunks([each.experiment_id for each in _pages(client.search_experiments)]):
        for run in _pages(client.search_runs, experiments, _UNFINISHED):
            tags, run_id = run.data.tags, run.info.run_id
            left = _left(found, client, tags)
            left.runs.append(run_id)
            left.is_named |= _is_named(client, f"run_id = '{run_id}'")
        for model in _pages(client.search_logged_models, experiments, _UNFINISHED):
            left = _left(found, client, model.tags)
            left.logged_models.append(model)
            left.is_named |= _is_named(client, f"source_path = 'models:/{model.model_id}'")
    old = (each for each in found.values() if each.begun_ms < before_ms)
    return sorted(old, key=lambda each: each.begun_ms)


def remove(server_uri: str, left: LeftOver) -> None:
    """Remove an unfinished copy, files first; one that a version names is marked as finished."""
    client = MlflowClient(tracking_uri=server_uri, registry_uri=server_uri)
    if left.is_named:
        for model in left.logged_models:
            client.set_logged_model_tags(model.model_id, {COPY_TAG: COPIED})
        for run_id in left.runs:
            client.set_tag(run_id, COPY_TAG, COPIED)
        return
    if left.empty_model is not None:
        remove_empty_model(client, left.empty_model)
    for model in left.logged_models:
        Files(model.artifact_location, server_uri).repository.delete_artifacts()
        client.delete_logged_model(model.model_id)
    for run_id in left.runs:
        client.delete_run(run_id)


def _left(found: dict[str, LeftOver], client: MlflowClient, tags: dict[str, str]) -> LeftOver:
    copy_id = tags.get(COPY_ID_TAG, "")
    if copy_id not in found:
        found[copy_id] = LeftOver(copy_id, tags.get(ORIGIN_TRACKING_TAG, ""))
        name = tags.get(COPY_FOR_TAG)
        if name is not None and _is_empty(client, name):
            found[copy_id].empty_model = name
    return found[copy_id]


def _is_empty(client: MlflowClient, name: str) -> bool:
    try:
        return is_untouched(client.get_registered_model(name))
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        return False


def _is_named(client: MlflowClient, condition: str) -> bool:
    return bool(client.search_model_versions(condition, max_results=1))


def _pages(search: Callable[..., Any], *arguments: Any) -> Iterator[Any]:
    token: str | None = None
    while True:
        if arguments:
            page = search(arguments[0], filter_string=arguments[1], page_token=token)
        else:
            page = search(page_token=token)
        yield from page
        if not (token := page.token):
            return


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _EXPERIMENTS_AT_ONCE):
        yield ids[start : start + _EXPERIMENTS_AT_ONCE]
