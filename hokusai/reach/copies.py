"""A model that was made elsewhere as a run and a logged model of the registry's server (R16)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from hokusai.errors import RequestRefused
from hokusai.mlflow_compat import end_run, latest_metrics, local_folder, log_to_run
from hokusai.reach.addresses import shown
from hokusai.reach.origins import Origin, first_run
from hokusai.reach.transfers import Files, copy_files, require_files
from hokusai_mlflow_plugin.domain.client_variables import COPY_EXPERIMENT
from hokusai_mlflow_plugin.domain.origin import (
    COPIED,
    COPY_FOR_TAG,
    COPY_ID_TAG,
    COPY_TAG,
    COPYING,
    MANIFEST_TAG,
    ORIGIN_RUN_TAG,
    new_copy_id,
)

_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_OF_ORIGIN_ONLY = ("mlflow.parentRunId", "mlflow.rootRunId", "mlflow.log-model.history")
"""Tags of a run that speak of other runs, or of its own artifacts."""
_ENDED = ("FINISHED", "FAILED", "KILLED")
_UNUSABLE_IN_NAMES = "/:.%\"'"

_logger = logging.getLogger(__name__)


class Copy:
    """A copy on the registry's server, from its first row to the version that names it.

    Until :meth:`finish` is called it is marked as unfinished, so that ``registry tidy`` finds what
    a process left behind that was killed.

    Args:
        server_uri: The registry's server.
        origin: What is copied.
        experiment: Name of the experiment that it is put into.
        created_for: The registered model that was created for its sake, if one was.
    """

    def __init__(
        self, server_uri: str, origin: Origin, experiment: str, created_for: str | None
    ) -> None:
        self._server_uri = server_uri
        self._client = MlflowClient(tracking_uri=server_uri)
        self._origin = origin
        self._experiment = experiment
        self._created_for = created_for
        self._id = new_copy_id()
        self._runs: dict[str, str] = {}
        """Of each run that logged something about the model, its copy."""
        self.model: Any = None
        """The copied ``LoggedModel``, once there is one."""
        self.tags: dict[str, str] = {}
        """What the version says of the copy, once it is made: the digest of its files."""

    @property
    def run_id(self) -> str | None:
        """The copy of the run that made the model."""
        run = self._origin.run
        return None if run is None else self._runs.get(run.info.run_id)

    def make(self) -> None:
        """Copy run, logged model and files.

        Raises:
            RequestRefused: The server keeps files where clients cannot put any.
            MlflowException: Something cannot be read or written.
        """
        source = Files(self._origin.artifact_uri, self._origin.tracking_uri)
        listed = require_files(source)
        experiment_id = self._open_experiment()
        if self._origin.run is not None:
            self._copy_run(experiment_id)
        self._create_model(experiment_id)
        self._copy_metrics(experiment_id)
        target = Files(self.model.artifact_location, self._server_uri)
        label = f"Copying the model to {shown(self._server_uri)}"
        self.tags = {MANIFEST_TAG: copy_files(source, target, listed, label)}
        self._client.finalize_logged_model(self.model.model_id, "READY")

    def finish(self) -> None:
        """Mark it as whole, and named by a version."""
        for run_id in self._runs.values():
            self._client.set_tag(run_id, COPY_TAG, COPIED)
        self._client.set_logged_model_tags(self.model.model_id, {COPY_TAG: COPIED})

    def undo(self) -> None:
        """Remove what there is of it, files first."""
        if self.model is not None:
            Files(self.model.artifact_location, self._server_uri).repository.delete_artifacts()
            self._client.delete_logged_model(self.model.model_id)
        for run_id in self._runs.values():
            self._client.delete_run(run_id)

    def _open_experiment(self) -> str:
        client, name = self._client, self._experiment
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                client.create_experiment(name)
            except MlflowException as error:
                if error.error_code != _EXISTS:  # else another client was faster
                    raise
            found = client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise RequestRefused(
                f"Experiment {name!r} of {shown(self._server_uri)}, which copies of models are put "
                f"into, was deleted. Restore it, or name another one: {COPY_EXPERIMENT}."
            )
        if local_folder(found.artifact_location) is not None:
            raise RequestRefused(
                f"{shown(self._server_uri)} keeps files in {found.artifact_location}, a folder of "
                "its own machine, where clients cannot put any. Start it with --serve-artifacts, "
                f"or name an experiment with another artifact location: {COPY_EXPERIMENT}."
            )
        return str(found.experiment_id)

    def _marks(self) -> dict[str, str]:
        created = {} if self._created_for is None else {COPY_FOR_TAG: self._created_for}
        return {COPY_TAG: COPYING, COPY_ID_TAG: self._id, **created, **self._origin.tags}

    def _copy_run(self, experiment_id: str) -> None:
        run = self._origin.run
        tags = {k: v for k, v in run.data.tags.items() if k not in _OF_ORIGIN_ONLY}
        copied = self._client.create_run(
            experiment_id, run.info.start_time, {**tags, **self._marks()}, run.info.run_name
        ).info
        self._runs[run.info.run_id] = copied.run_id
        params = [Param(key, value) for key, value in run.data.params.items()]
        log_to_run(self._server_uri, copied.run_id, latest_metrics(run), params)
        # One that is still running where it is goes on there, and not here.
        status = run.info.status if run.info.status in _ENDED else _ENDED[0]
        end_run(self._server_uri, copied.run_id, status, run.info.end_time)

    def _create_model(self, experiment_id: str) -> None:
        model, name = self._origin.model, self._origin.name
        own = {} if model is None else {k: v for k, v in model.tags.items() if k[:7] != "mlflow."}
        usable = name and not any(each in name for each in _UNUSABLE_IN_NAMES)
        self.model = self._client.create_logged_model(
            experiment_id,
            name=name if usable else "model",
            source_run_id=self.run_id,
            tags={**own, **self._marks()},
            params=None if model is None else model.params,
            model_type=None if model is None else model.model_type,
        )
        if self.run_id is not None:
            output = LoggedModelOutput(self.model.model_id, step=0)
            self._client.log_outputs(self.run_id, [output])

    def _copy_metrics(self, experiment_id: str) -> None:
        """Log what was logged of the model, by a copy of each run that did."""
        by_run: dict[str, list[Metric]] = {}
        for metric in (self._origin.model.metrics or ()) if self._origin.model else ():
            if metric.run_id:
                by_run.setdefault(metric.run_id, []).append(metric)
        for origin_run_id, metrics in by_run.items():
            if origin_run_id not in self._runs:
                first = first_run(self._origin.tracking_uri, origin_run_id)
                tags = {**self._marks(), ORIGIN_RUN_TAG: first}
                copied = self._client.create_run(experiment_id, tags=tags).info
                self._runs[origin_run_id] = copied.run_id
                end_run(self._server_uri, copied.run_id, _ENDED[0], None)
            run_id = self._runs[origin_run_id]
            log_to_run(self._server_uri, run_id, [self._moved(each) for each in metrics])

    def _moved(self, metric: Metric) -> Metric:
        return Metric(
            metric.key,
            metric.value,
            metric.timestamp,
            metric.step,
            model_id=self.model.model_id,
            dataset_name=metric.dataset_name,
            dataset_digest=metric.dataset_digest,
        )


@contextmanager
def undone_unless_registered(copy: Copy, is_named: Callable[[str], bool]) -> Iterator[None]:
    """Run a block that makes a copy and a version of it; where it fails, nothing stays.

    An interruption counts as a failure. Where the server cannot be reached any more, what is left
    is named.

    Args:
        copy: The copy.
        is_named: Whether a version names a logged model: its answer may have been lost on the way.
    """
    try:
        yield
    except BaseException:
        try:
            if copy.model is None or not is_named(copy.model.model_id):
                copy.undo()
        except Exception as error:  # whatever it is, the first error is to be told
            _logger.warning(
                "The copy that was begun could not be removed: %s. 'hokusai-mlflow registry tidy' "
                "finds and removes what is left of it.",
                error,
            )
        raise
