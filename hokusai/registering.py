"""Registering a version as ``mlflow.register_model`` does, on the servers of one client.

MLflow's function takes registry and tracking server from settings of the process
(``_register_model``, MLflow 3.17.2), which other threads would find changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    NOT_FOUND,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from hokusai.mlflow_compat import (
    VERSIONS_OF_MODEL,
    has_file,
    model_id_of,
    registering,
    run_and_path,
    underlying_uri,
)
from hokusai.new_models import new_model

_logger = logging.getLogger(__name__)

_MODEL_FILE = "MLmodel"


def register_version(
    client: MlflowClient,
    model_uri: str,
    name: str,
    tags: Mapping[str, str],
    known: RegisteredModel | None,
) -> tuple[RegisteredModel, ModelVersion]:
    """Register a model as one new version; the registered model is made where there is none.

    Args:
        client: A client of the registry.
        model_uri: The model.
        name: Name of the registered model.
        tags: Tags of the version.
        known: The registered model, where the registry has told that it is there. Nothing is asked
            about it then, for each question is a request.

    Returns:
        The registered model and the version.

    Raises:
        MlflowException: There is no such model to register, or the registry refuses it.
    """
    with registering():
        if known is not None:
            return known, _create_version(client, model_uri, name, tags)
        with new_model(client, name, model_uri) as created:
            version = _create_version(client, model_uri, name, tags)
    if created is None or created.creation_timestamp is None:  # a store that creates it later
        return client.get_registered_model(name), version
    return created, version


def _create_version(
    client: MlflowClient, model_uri: str, name: str, tags: Mapping[str, str]
) -> ModelVersion:
    source, run_id, model_id = _source(client, model_uri)
    version = client.create_model_version(name, source, run_id, tags=dict(tags), model_id=model_id)
    if model_id is not None:
        _link(client, model_id, version)
    return version


def _source(client: MlflowClient, model_uri: str) -> tuple[str, str | None, str | None]:
    """Where the files are, and of which run and logged model they are."""
    of_run = run_and_path(model_uri)
    if of_run is None:
        return model_uri, None, model_id_of(model_uri)
    run_id, path = of_run
    files = underlying_uri(model_uri, client.tracking_uri)
    if has_file(files, client.tracking_uri, _MODEL_FILE):
        return files, run_id, None
    model_id = _logged_model(client, run_id, path)
    return f"models:/{model_id}", run_id, model_id


def _logged_model(client: MlflowClient, run_id: str, name: str | None) -> str:
    """The logged model of a run with this name; of several, the one of the largest step.

    Raises:
        MlflowException: It has none.
    """
    run = client.get_run(run_id)
    steps = {
        each.model_id: each.step for each in (run.outputs.model_outputs if run.outputs else ())
    }
    found = []
    token: str | None = None
    while True:
        page = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"name = '{name}'", page_token=token
        )
        found += [each.model_id for each in page if each.source_run_id == run_id]
        token = page.token
        if not token:
            break
    if not found:
        raise MlflowException(
            f"Run {run_id} has no model at {name!r}: neither among its artifacts nor among its "
            "logged models.",
            NOT_FOUND,
        )
    return str(max(found, key=lambda model_id: steps.get(model_id, -1)))


def _link(client: MlflowClient, model_id: str, version: ModelVersion) -> None:
    """Note the version at its logged model, where MLflow's pages look for it."""
    try:
        tags = client.get_logged_model(model_id).tags
        versions = json.loads(tags.get(VERSIONS_OF_MODEL) or "[]")
        versions.append({"name": version.name, "version": version.version})
        client.set_logged_model_tags(model_id, {VERSIONS_OF_MODEL: json.dumps(versions)})
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        _logger.warning("Logged model %s is not there to be linked to its version.", model_id)
