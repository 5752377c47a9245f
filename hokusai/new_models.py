"""A registration that fails leaves no empty registered model.

MLflow creates the registered model before it looks for what is to be registered
(``_register_model``, MLflow 3.17.2).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from hokusai.mlflow_compat import require_source

_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)

_logger = logging.getLogger(__name__)


@contextmanager
def new_model(client: MlflowClient, name: str, model_uri: str) -> Iterator[RegisteredModel | None]:
    """Create a model whose first version is registered in the block, or leave nothing of it.

    What is to be registered is looked for first. What fails afterwards removes the model, if it is
    still as it was created.

    Yields:
        The model; None where there is one already: another client was faster, or the caller may
        not read it.

    Raises:
        MlflowException: There is nothing to be found at the URI, or no such model may be created.
    """
    require_source(client, model_uri)
    created = _create(client, name)
    try:
        yield created
    except Exception:
        if created is not None:
            remove_empty_model(client, name)
        raise


def _create(client: MlflowClient, name: str) -> RegisteredModel | None:
    try:
        return client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise
        return None


def is_untouched(model: RegisteredModel) -> bool:
    """Whether a model is as it was created: no version, nor anything else."""
    changed = model.last_updated_timestamp != model.creation_timestamp
    return not (
        changed or model.description or model.tags or model.aliases or model.latest_versions
    )


def remove_empty_model(registry: Any, name: str) -> None:
    """Remove a model that nobody else has done anything with; what fails here is only noted.

    Args:
        registry: A client of the registry, or its store.
        name: The model.
    """
    try:
        model = registry.get_registered_model(name)
        if is_untouched(model):  # else another client has done something with it meanwhile
            registry.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code != _MISSING:
            _logger.warning("Registered model %r may be left without versions: %s", name, error)
