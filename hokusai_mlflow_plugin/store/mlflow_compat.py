"""Every name of MLflow's that is not public, and what differs between its versions.

``tests/contract`` fails when one of them changes its shape.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import requests
from flask import Flask
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.db import utils as _db_utils
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelTag,
)
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME as DEFAULT_WORKSPACE
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    HokusaiError,
    ModelNotFound,
    TagsLocked,
    TokenNotFound,
)

__all__ = [
    "DEFAULT_WORKSPACE",
    "RegistryConflict",
    "RegistryInvalidRequest",
    "SqlAlchemyStore",
    "SqlModelVersion",
    "SqlModelVersionTag",
    "SqlRegisteredModel",
    "SqlRegisteredModelTag",
    "WorkspaceAwareSqlAlchemyStore",
    "engine_of",
    "is_database_uri",
    "managed_session",
    "managed_session_maker",
    "read_replica_uri",
    "servable",
    "server_app",
    "server_registry_store",
    "server_tracking_uri",
    "static_prefix",
    "translate",
    "webhook_session",
    "workspaces_enabled",
]


class RegistryInvalidRequest(MlflowException, ValueError):
    """A refused request as MLflow reports it (HTTP 400), and a ``ValueError`` in Python (R6)."""

    def __init__(self, message: str) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)  # type: ignore[call-arg]


class RegistryConflict(MlflowException, ValueError):
    """A write that what was decided before forbids (HTTP 409), and a ``ValueError`` (R10)."""

    def __init__(self, message: str) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=RESOURCE_CONFLICT)  # type: ignore[call-arg]


def translate(error: HokusaiError) -> MlflowException:
    """The same error as MLflow's clients and servers know it."""
    message = str(error)
    if isinstance(error, (ModelNotFound, TokenNotFound)):
        return MlflowException(message, error_code=RESOURCE_DOES_NOT_EXIST)
    if isinstance(error, (TagsLocked, ConcurrentWrite)):
        return RegistryConflict(message)
    if isinstance(error, ValueError):
        return RegistryInvalidRequest(message)
    return MlflowException(message, error_code=INVALID_STATE)


def engine_of(database_uri: str) -> Engine:
    """MLflow's engine for a database, one for each process."""
    return SqlAlchemyStore._get_or_create_engine(database_uri)


def server_tracking_uri() -> str | None:
    """The tracking store of this server, or None where this process is no server.

    The name is that of ``mlflow.server.constants``, whose import would start MLflow's server.
    """
    return os.environ.get("_MLFLOW_SERVER_FILE_STORE")


def is_database_uri(uri: str) -> bool:
    """Whether MLflow keeps a store with this URI in a SQL database."""
    return uri.split(":", 1)[0].split("+", 1)[0] in DATABASE_ENGINES


def managed_session_maker(
    write: sessionmaker[Any], read: sessionmaker[Any] | None, db_type: str
) -> Any:
    """MLflow's session factory, with its error handling, on session makers of ours."""
    if read is None:
        return _db_utils._get_managed_session_maker(write, db_type)
    return _db_utils._get_routing_session_maker(write, read, db_type)


def managed_session(store: SqlAlchemyStore, *, read_only: bool) -> AbstractContextManager[Session]:
    """A session as the store opens it; older MLflow does not tell reads from writes."""
    if "read_only" in signature(store.ManagedSessionMaker).parameters:
        return store.ManagedSessionMaker(read_only=read_only)
    return store.ManagedSessionMaker()


def workspaces_enabled() -> bool:
    """Whether the server runs with ``--enable-workspaces``."""
    return bool(MLFLOW_ENABLE_WORKSPACES.get())


def read_replica_uri() -> str | None:
    """URI of the database's read replica, where this is a server that was given one.

    The name is that of ``mlflow.server.constants``, whose import would start MLflow's server.
    """
    return os.environ.get("_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE")


def server_app() -> Flask:
    """MLflow's Flask app, one object for each process."""
    from mlflow.server import app

    return app


def server_registry_store() -> object:
    """The registry store that this server process answers from."""
    from mlflow.server.handlers import _get_model_registry_store

    return _get_model_registry_store()


def static_prefix() -> str:
    """MLflow's ``--static-prefix``, or nothing."""
    from mlflow.server.handlers import _add_static_prefix

    return str(_add_static_prefix(""))


def servable(app: Flask) -> Any:
    """The app as the web server wants it: uvicorn speaks ASGI, the others WSGI."""
    if os.environ.get("_MLFLOW_SGI_NAME") != "uvicorn":
        return app
    from mlflow.server.fastapi_app import create_fastapi_app

    return create_fastapi_app(app)


def webhook_session(url: str, *, allow_private: bool) -> requests.Session:
    """A session for posting to a webhook, under MLflow's guard against server-side forgery.

    Args:
        url: Where it will post.
        allow_private: Whether the address may be private; then the guard is left out.

    Raises:
        MlflowException: The guard refuses the address.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy and no credentials from the environment
    if allow_private:
        return session
    from mlflow.utils.validation import _validate_webhook_url

    _validate_webhook_url(url)
    try:
        # Checks the address that each connection really has (MLflow 3.10 has no such adapter).
        from mlflow.webhooks.ssrf import SSRFProtectedHTTPAdapter
    except ImportError:
        return session
    for scheme in ("http://", "https://"):
        session.mount(scheme, SSRFProtectedHTTPAdapter())
    return session
