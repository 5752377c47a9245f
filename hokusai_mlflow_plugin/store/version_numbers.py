"""Passing versions to MLflow's store as numbers.

A request has them as text, and MLflow compares them with an integer column as they come: in every
method in MLflow 3.10, in stage transitions that archive in MLflow 3.17 (``sqlalchemy_store``).
PostgreSQL refuses that when psycopg 3 tells it the type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from hokusai_mlflow_plugin.services.queries.pagination import VERSION
from hokusai_mlflow_plugin.store.mlflow_compat.database import check_version_number

BY_VERSION = (
    "get_model_version",
    "get_model_version_download_uri",
    "update_model_version",
    "transition_model_version_stage",
    "delete_model_version",
    "set_model_version_tag",
    "delete_model_version_tag",
    "set_registered_model_alias",
)
"""Methods of MLflow's store that take a ``version``."""

C = TypeVar("C", bound=type)


def number_versions(store_class: C) -> C:
    """Class decorator: every method of an MLflow store gets its version as a number."""
    for name in BY_VERSION:
        setattr(store_class, name, _numbered(getattr(store_class, name)))
    return store_class


def _number(name: Any, version: Any) -> int:
    """A version as a number that its column can hold.

    Raises:
        MlflowException: It is no number, or one that no version has.
    """
    try:
        check_version_number(version)
        number = int(version)
    except (TypeError, OverflowError):  # MLflow 3.17 looks for a ValueError alone
        raise MlflowException(
            f"Parameter 'version' must be an integer, got {type(version).__name__}.",
            error_code=INVALID_PARAMETER_VALUE,
        ) from None
    if number not in VERSION:
        raise MlflowException(
            f"Model Version (name={name}, version={number}) not found",
            error_code=RESOURCE_DOES_NOT_EXIST,
        )
    return number


def _numbered(method: Callable[..., Any]) -> Callable[..., Any]:
    parameters = signature(method)

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = parameters.bind(*args, **kwargs)
        call.arguments["version"] = _number(call.arguments.get("name"), call.arguments["version"])
        return method(*call.args, **call.kwargs)

    return wrapper
