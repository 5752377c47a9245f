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


def _numbered(method: Callable[..., Any]) -> Callable[..., Any]:
    parameters = signature(method)

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = parameters.bind(*args, **kwargs)
        check_version_number(call.arguments["version"])
        call.arguments["version"] = int(call.arguments["version"])
        return method(*call.args, **call.kwargs)

    return wrapper
