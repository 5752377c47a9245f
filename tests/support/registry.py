"""Registering versions as tests do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow.entities.model_registry import ModelVersion, ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

TOKEN = "hokusai_token_id"
METRIC = "benchmark_metric"
VALUE = "benchmark_value"
PROMPT = "mlflow.prompt.is_prompt"
SOURCE = "s3://bucket/model"


def token_tags(**others: str) -> dict[str, str]:
    """Valid tags of a tokenised version; ``others`` replace or add to them."""
    return {TOKEN: "IMG-001", METRIC: "accuracy", VALUE: "0.85", **others}


def create_model(store: Any, name: str = "model", tags: Mapping[str, str] | None = None) -> None:
    """Create a registered model; one that is there stays as it is."""
    model_tags = [RegisteredModelTag(key, value) for key, value in (tags or {}).items()]
    try:
        store.create_registered_model(name, tags=model_tags)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def create_version(
    store: Any,
    name: str = "model",
    tags: Mapping[str, str] | None = None,
    source: str = SOURCE,
    **others: Any,
) -> ModelVersion:
    """Create a version in one request, and its model where it is not there yet.

    Args:
        store: A registry store, ours or MLflow's.
        name: The registered model.
        tags: Those of :func:`token_tags` by default.
        source: Where the model's files are.
        others: Further arguments of MLflow's ``create_model_version``.
    """
    create_model(store, name)
    given = token_tags() if tags is None else tags
    version_tags = [ModelVersionTag(key, value) for key, value in given.items()]
    return store.create_model_version(name, source, tags=version_tags, **others)


def set_tag(store: Any, name: str, version: int | str, key: str, value: str) -> None:
    """Set one tag of a version."""
    store.set_model_version_tag(name, str(version), ModelVersionTag(key, value))


def set_model_tag(store: Any, name: str, key: str, value: str) -> None:
    """Set one tag of a registered model."""
    store.set_registered_model_tag(name, RegisteredModelTag(key, value))
