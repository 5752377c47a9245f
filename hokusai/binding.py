"""Having a registered model tokenise its versions (R17)."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from hokusai.errors import RequestRefused
from hokusai_mlflow_plugin.domain.errors import TagsRefused
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG, check_metric_name
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, check_token_id

_EXISTS = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


def bind(client: MlflowClient, name: str, token_id: str, metric: str) -> RegisteredModel:
    """Give a registered model token and metric, both or neither; it is created if need be.

    Raises:
        RequestRefused: One of them is wrong, with every fault that shows without the registry.
        MlflowException: The registry refuses them, or failed.
    """
    found = [check_token_id(token_id), check_metric_name(metric, Catalogue())]
    if faults := [fault for fault in found if fault is not None]:
        raise RequestRefused(str(TagsRefused(faults, f"Registered model {name!r} was not bound")))
    tags = {TOKEN_ID_TAG: token_id, BENCHMARK_METRIC_TAG: metric}
    before = _model(client, name)
    if before is None:
        try:
            return client.create_registered_model(name, tags=tags)
        except MlflowException as error:
            if error.error_code != _EXISTS:  # else another client was faster
                raise
        before = client.get_registered_model(name)
    # The token last: with it the registry checks both.
    client.set_registered_model_tag(name, BENCHMARK_METRIC_TAG, metric)
    try:
        client.set_registered_model_tag(name, TOKEN_ID_TAG, token_id)
    except MlflowException:
        _put_back(client, name, before.tags.get(BENCHMARK_METRIC_TAG))
        raise
    return client.get_registered_model(name)


def _model(client: MlflowClient, name: str) -> RegisteredModel | None:
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        return None


def _put_back(client: MlflowClient, name: str, metric: str | None) -> None:
    if metric is None:
        client.delete_registered_model_tag(name, BENCHMARK_METRIC_TAG)
    else:
        client.set_registered_model_tag(name, BENCHMARK_METRIC_TAG, metric)
