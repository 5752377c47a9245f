"""MLflow's registry database: its models, stores, engines and sessions."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, wraps
from inspect import signature
from typing import Any

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
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
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME as DEFAULT_WORKSPACE
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from hokusai_mlflow_plugin.store.mlflow_compat.errors import without_sql

__all__ = [
    "DEFAULT_WORKSPACE",
    "SqlAlchemyStore",
    "SqlModelVersion",
    "SqlModelVersionTag",
    "SqlRegisteredModel",
    "SqlRegisteredModelAlias",
    "SqlRegisteredModelTag",
    "WorkspaceAwareSqlAlchemyStore",
    "check_version_number",
    "create_mlflow_tables",
    "engine_of",
    "has_mlflow_tables",
    "is_database_uri",
    "managed_session",
    "managed_session_maker",
    "new_engine",
    "read_replica_uri",
    "server_tracking_uri",
    "workspaces_enabled",
]

_logger = logging.getLogger("hokusai.registry")


def new_engine(database_uri: str) -> Engine:
    """An engine of its own for a command, made as MLflow makes them."""
    return _db_utils.create_sqlalchemy_engine(database_uri)


def has_mlflow_tables(engine: Engine) -> bool:
    """Whether MLflow's schema is there, and is that of this MLflow."""
    if not _db_utils._all_tables_exist(engine):
        return False
    # The last table does not mean the last migration.
    return bool(_db_utils._get_schema_version(engine) == _newest_revision())


@cache
def _newest_revision() -> Any:
    # MLflow reads all its migration scripts to find it, and it does not change while we run.
    return _db_utils._get_latest_schema_revision()


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
        make = _db_utils._get_managed_session_maker(write, db_type)
    else:
        make = _db_utils._get_routing_session_maker(write, read, db_type)

    @contextmanager
    @wraps(make)  # MLflow passes what its own factory takes
    def make_session(*args: Any, **kwargs: Any) -> Iterator[Session]:
        try:
            with make(*args, **kwargs) as session:
                yield session
        except MlflowException as error:
            told = without_sql(error)
            if told is error:
                raise
            _logger.error("The database failed: %s", type(error.__cause__).__name__, exc_info=error)
            raise told from error.__cause__

    return make_session


def managed_session(store: SqlAlchemyStore, *, read_only: bool) -> AbstractContextManager[Session]:
    """A session as the store opens it; MLflow 3.10 does not tell reads from writes."""
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
