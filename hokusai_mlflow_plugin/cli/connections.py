"""What the commands work on: a database, or a registry as any client knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import URL, Engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.db.schema.mlflow_tables import model_versions
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch, SettingsError
from hokusai_mlflow_plugin.settings import Settings, read_settings

if TYPE_CHECKING:
    from hokusai.core import ModelRegistry

PREFIX = "hokusai+"
_BUSY_TIMEOUT_MS = 60_000
_VARIABLES = ("MLFLOW_REGISTRY_STORE_URI", "MLFLOW_BACKEND_STORE_URI")

database_argument = click.argument("database_uri", required=False)
registry_option = click.option(
    "--registry-uri",
    metavar="URI",
    help="The registry; by default that of MLflow's own configuration (MLFLOW_REGISTRY_URI).",
)
workspace_option = click.option(
    "--workspace", default="default", show_default=True, help="Of which workspace."
)


@contextmanager
def open_database(uri: str | None, *, migrated: bool = True) -> Iterator[tuple[Engine, Settings]]:
    """The engine of a registry's database, and the settings.

    Args:
        uri: With or without ``hokusai+``; by default what a server would be given.
        migrated: Whether the Hokusai tables must be those of this release.

    Raises:
        SchemaMismatch: The database is no MLflow registry, or not migrated.
    """
    settings = read_settings()
    engine = new_engine(_given(uri))
    try:
        if not holds_registry(engine):
            raise SchemaMismatch(
                "This database holds no registry of MLflow 3.10 or newer. Start a server on it "
                "first, or back it up and run 'mlflow db upgrade DATABASE_URI'."
            )
        if migrated:
            migrations.open_schema(engine, auto_migrate=False)
        yield engine, settings
    finally:
        engine.dispose()


def new_engine(uri: str) -> Engine:
    """An engine on a database that is there.

    Raises:
        UsageError: It is no database URI.
        FileNotFoundError: It is a SQLite database that is not there.
        SettingsError: Its driver is not installed.
    """
    # MLflow takes a second to import; the help texts do without.
    from hokusai_mlflow_plugin.store.mlflow_compat import database  # noqa: PLC0415

    try:
        url = make_url(uri.removeprefix(PREFIX))
        if "@" in (url.host or ""):
            raise ValueError("the password has an '@' of its own")
        _require_file(url)
        engine = database.new_engine(url.render_as_string(hide_password=False))
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Its message would quote the URI, password and all.
        raise click.UsageError(
            "The database URI is no URI that SQLAlchemy knows. Write '@' and '%' in a "
            "password as %40 and %25."
        ) from None
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The database's driver {error.name} is not installed. For PostgreSQL: pip install "
            "'hokusai-mlflow-plugin[postgres]'; for MySQL and MariaDB: [mysql]."
        ) from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _wait_for_other_writers)
    return engine


def holds_registry(engine: Engine) -> bool:
    """Whether the database has MLflow's registry, with workspaces (MLflow 3.10 or newer).

    Raises:
        UsageError: The driver does not know a parameter of the URI.
    """
    try:
        tables = inspect(engine)
    except TypeError as error:  # drivers take the parameters as arguments of a function
        reason = str(error).rpartition(" ")[2]
        raise click.UsageError(
            f"The database's driver does not know the parameter {reason} of the URI."
        ) from None
    return tables.has_table(model_versions.name) and any(
        column["name"] == model_versions.c.workspace.name
        for column in tables.get_columns(model_versions.name)
    )


def open_registry(uri: str | None) -> ModelRegistry:
    """The registry that a client would talk to."""
    from hokusai.core import ModelRegistry  # noqa: PLC0415  # see open_database

    return ModelRegistry(registry_uri=uri)


def _given(uri: str | None) -> str:
    found = uri or next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)
    if found is None:
        raise click.UsageError(
            f"Name a database, e.g. sqlite:///hokusai.db, or set {' or '.join(_VARIABLES)}."
        )
    return found


def _require_file(url: URL) -> None:
    """Opening a SQLite database that is not there would make an empty one."""
    path = url.database or ""
    if url.get_backend_name() != "sqlite" or path.startswith("file:") or Path(path).is_file():
        return
    raise FileNotFoundError(f"There is no SQLite database {path or 'in memory'}.")


def _wait_for_other_writers(connection: Any, _record: Any) -> None:
    """SQLite has one writer at a time, and its driver waits for five seconds."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
