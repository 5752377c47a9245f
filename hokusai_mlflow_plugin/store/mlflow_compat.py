"""Every name of MLflow's that is not public, and what differs between its versions.

``tests/contract`` fails when one of them changes its shape.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from inspect import signature
from typing import Any

import requests
from flask import Flask, g, has_request_context, request
from mlflow.entities.model_registry import RegisteredModel
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from mlflow.store.db import utils as _db_utils
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.validation import _validate_model_version as check_version_number
from mlflow.utils.workspace_context import get_request_workspace
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME as DEFAULT_WORKSPACE
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    DamagedSeries,
    HokusaiError,
    ModelNotFound,
    SettingsError,
    TagsLocked,
    TokenNotFound,
)

__all__ = [
    "AUTH_ADMIN_BOOTSTRAPPED",
    "AUTH_GATEWAY_TOKEN",
    "DEFAULT_WORKSPACE",
    "RegistryConflict",
    "RegistryInvalidRequest",
    "SqlAlchemyStore",
    "SqlModelVersion",
    "SqlModelVersionTag",
    "SqlRegisteredModel",
    "SqlRegisteredModelAlias",
    "SqlRegisteredModelTag",
    "WorkspaceAwareSqlAlchemyStore",
    "api_prefixes",
    "auth_can_read",
    "auth_module",
    "auth_reader",
    "auth_withheld_fields",
    "authenticated_user",
    "check_version_number",
    "create_mlflow_tables",
    "engine_of",
    "has_mlflow_tables",
    "is_database_uri",
    "managed_session",
    "managed_session_maker",
    "new_engine",
    "read_replica_uri",
    "servable",
    "server_app",
    "server_registry_store",
    "server_tracking_uri",
    "translate",
    "webhook_session",
    "without_wrong_source",
    "workspaces_enabled",
]


AUTH_ADMIN_BOOTSTRAPPED = "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"
"""Environment variable: workers need not create the administrator any more (MLflow 3.16)."""
AUTH_GATEWAY_TOKEN = "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"
"""Environment variable: the password of this server's own jobs at its AI gateway (MLflow 3.11)."""


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
    if isinstance(error, (TagsLocked, ConcurrentWrite, DamagedSeries)):
        return RegistryConflict(message)
    if isinstance(error, ValueError):
        return RegistryInvalidRequest(message)
    return MlflowException(message, error_code=INVALID_STATE)


def new_engine(database_uri: str) -> Engine:
    """An engine of its own for a command, made as MLflow makes them."""
    return _db_utils.create_sqlalchemy_engine(database_uri)


def without_wrong_source(error: MlflowException) -> MlflowException:
    """The error of ``create_model_version``, where its source is at fault with that fault's code.

    MLflow wraps whatever it finds wrong with a ``models:/`` source into an internal error.
    """
    cause = error.__cause__
    if error.error_code != ErrorCode.Name(INTERNAL_ERROR):
        return error
    if isinstance(cause, MlflowException):
        return MlflowException(error.message, error_code=ErrorCode.Value(cause.error_code))
    if isinstance(cause, TypeError) and error.message.startswith("Unable to fetch model"):
        return MlflowException(error.message, error_code=INVALID_PARAMETER_VALUE)  # an alias
    return error


def has_mlflow_tables(engine: Engine) -> bool:
    """Whether MLflow's schema is there, and is that of this MLflow."""
    if not _db_utils._all_tables_exist(engine):
        return False
    # The last table does not mean the last migration.
    return bool(_db_utils._get_schema_version(engine) == _db_utils._get_latest_schema_revision())


def create_mlflow_tables(engine: Engine) -> None:
    """Have MLflow create its tables where they are missing; one process of this host at a time."""
    _db_utils._safe_initialize_tables(engine)


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


def api_prefixes(base_path: str) -> tuple[str, str]:
    """Where the server's REST API has a base path: for clients, and for its own web pages.

    Both carry ``--static-prefix`` from MLflow 3.12 on; before, only the second.
    """
    from mlflow.server.handlers import _get_ajax_path, _get_rest_path

    return str(_get_rest_path(base_path)), str(_get_ajax_path(base_path))


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

    # It takes https only; whether http will do is the settings' business.
    _validate_webhook_url("https://" + url.partition("://")[2])
    try:
        # Checks the address that each connection really has (MLflow 3.10 has no such adapter).
        from mlflow.webhooks.ssrf import SSRFProtectedHTTPAdapter
    except ImportError:
        return session
    for scheme in ("http://", "https://"):
        session.mount(scheme, SSRFProtectedHTTPAdapter())
    return session


def auth_module() -> Any:
    """MLflow's basic-auth; importing it reads its configuration.

    Raises:
        SettingsError: The extra ``auth`` is not installed.
    """
    if find_spec("flask_wtf") is None:
        raise SettingsError(
            "MLflow's basic-auth is not installed: run "
            "'pip install \"hokusai-mlflow-plugin[auth]\"'."
        )
    from mlflow.server import auth

    return auth


def authenticated_user() -> str | None:
    """The user whom MLflow's basic-auth let in with this request; None without it.

    A plugin with its own authentication names its user as MLflow does, in
    ``flask.g.mlflow_authenticated_user``.
    """
    if not has_request_context():
        return None
    if user := g.get("mlflow_authenticated_user"):  # set by MLflow 3.14 and later
        return str(user)
    auth = sys.modules.get("mlflow.server.auth")
    if auth is None or not auth.is_auth_enabled() or request.authorization is None:
        return None
    if auth.auth_config.authorization_function == auth.DEFAULT_AUTHORIZATION_FUNCTION:
        return request.authorization.username  # it was checked before; the check is slow
    return str(auth.authenticate_request().username)


def auth_reader(username: str) -> Callable[[str], bool]:
    """Whether a user sees the versions of a model in MLflow's own ``model-versions/search``.

    As ``filter_search_model_versions`` has it, in the request's workspace.
    """
    auth = auth_module()
    by_roles = getattr(auth, "_rm_or_prompt_version_read_predicate", None) or getattr(
        auth, "_rm_or_prompt_read_predicate", None
    )
    if by_roles is not None:  # MLflow 3.13 and later
        can_read = by_roles(username)
        return lambda name: bool(can_read(RegisteredModel(name)))
    permissions = auth.store.list_registered_model_permissions(username)
    explicit = {p.name: auth.get_permission(p.permission).can_read for p in permissions}
    inherited = auth.get_permission(auth.auth_config.default_permission)
    if workspaces_enabled():
        inherited = auth._workspace_permission(username, get_request_workspace())
    return lambda name: bool(explicit.get(name, inherited.can_read))


def auth_can_read(username: str, name: str) -> bool:
    """Whether a user has READ on one model, whatever lists may show of it.

    Since MLflow 3.13 a grant on the workspace can show models in lists that it does not open.
    """
    auth = auth_module()
    if not auth_reader(username)(name):
        return False
    by_roles = hasattr(auth, "_rm_or_prompt_read_predicate")
    return not by_roles or bool(auth._graphql_can_read_model(name, username))


def auth_withheld_fields(username: str) -> frozenset[str] | None:
    """Fields of a version that a user may not see, because they tell of its run or logged model.

    As ``_withhold_denied_version_siblings`` has it (MLflow 3.17). None where MLflow does not look,
    and also takes a version of a run that its sender may not read.
    """
    auth = auth_module()
    fields_by_type = getattr(auth, "_MODEL_VERSION_SIBLING_FIELDS", None)
    if fields_by_type is None:
        return None
    denied = auth._denied_sibling_tiers(username, tuple(fields_by_type))
    return frozenset(field for each in denied for field in fields_by_type[each])
