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

from hokusai_mlflow_plugin.cli.output import masked
from hokusai_mlflow_plugin.db.drivers import require_driver
from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.db.schema.mlflow_tables import model_versions
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch, SettingsError
from hokusai_mlflow_plugin.settings import Settings, read_settings

if TYPE_CHECKING:
    from hokusai.core import ModelRegistry

PREFIX = "hokusai+"
_BUSY_TIMEOUT_MS = 60_000
_SERVERS = ("http://", "https://")
_CLIENT_VARIABLES = ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI")
_SERVER_VARIABLES = ("MLFLOW_REGISTRY_STORE_URI", "MLFLOW_BACKEND_STORE_URI")
DEFAULT_DATABASE = "sqlite:///hokusai.db"
"""Of ``hokusai-mlflow server``, in its working folder."""
_DATABASES_HERE = (DEFAULT_DATABASE, "sqlite:///mlflow.db")
"""What a server in this folder would have made: ours, then a stock one."""

database_argument = click.argument("database_uri", required=False)
registry_option = click.option(
    "--registry-uri",
    metavar="URI",
    help="The registry, a server or a database; by default MLFLOW_REGISTRY_URI, else "
    "MLFLOW_TRACKING_URI, else the database in this folder.",
)
workspace_option = click.option(
    "--workspace", default="default", show_default=True, help="Of which workspace."
)


@contextmanager
def open_database(uri: str | None, *, migrated: bool = True) -> Iterator[tuple[Engine, Settings]]:
    """The engine of a registry's database, and the settings.

    Args:
        uri: With or without ``hokusai+``; by default that of a server started here.
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
        SettingsError: Its driver is not installed, or asynchronous.
    """
    # MLflow takes a second to import; the help texts do without.
    from hokusai_mlflow_plugin.store.mlflow_compat import database  # noqa: PLC0415

    if uri.startswith(_SERVERS):
        raise click.UsageError(
            "That is a server. Name the database that it runs on, e.g. sqlite:///hokusai.db."
        )
    try:
        url = make_url(uri.removeprefix(PREFIX))
        if "@" in (url.host or ""):
            raise ValueError("the password has an '@' of its own")
        require_driver(url)
        _require_file(url)
        # Not str(url): that has *** for the password.
        engine = database.new_engine(url.render_as_string(hide_password=False))
    except SettingsError:
        raise
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Its message would quote the URI, password and all.
        raise click.UsageError(
            "The database URI is no URI that SQLAlchemy knows. Write '@' and '%' in a "
            "password as %40 and %25."
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
    except (TypeError, AttributeError) as error:
        # Drivers take the parameters as arguments of a function; MySQL's own has a list of them.
        reason = str(error).rpartition(" ")[2]
        raise click.UsageError(
            f"The database's driver does not know the parameter {reason} of the URI."
        ) from None
    return tables.has_table(model_versions.name) and any(
        column["name"] == model_versions.c.workspace.name
        for column in tables.get_columns(model_versions.name)
    )


def open_registry(uri: str | None) -> ModelRegistry:
    """The registry that a client would talk to.

    A query neither makes a database nor migrates one, as opening the store would.

    Args:
        uri: A server or a database; by default that of MLflow's configuration, else the database
            in this folder, and which one is said.

    Raises:
        UsageError: Nothing says which registry is meant.
        SchemaMismatch: The database holds no registry, or its tables are not those of this release.
    """
    from hokusai.core import ModelRegistry  # noqa: PLC0415  # see new_engine
    from hokusai_mlflow_plugin.store.mlflow_compat import database  # noqa: PLC0415

    if not uri and not any(os.environ.get(name) for name in _CLIENT_VARIABLES):
        uri = _server_database()
        if uri is None:
            raise click.UsageError(
                "Nothing says which registry to ask, and this folder holds none. Name a server "
                "or a database: --registry-uri http://127.0.0.1:5000, or for all commands: export "
                "MLFLOW_TRACKING_URI=http://127.0.0.1:5000"
            )
    registry = ModelRegistry(registry_uri=uri)
    if database.is_database_uri(registry.registry_uri.removeprefix(PREFIX)):
        with open_database(registry.registry_uri):
            pass
    return registry


def _given(uri: str | None) -> str:
    found = uri or _server_database()
    if found is None:
        raise click.UsageError(
            f"Name a database, e.g. {DEFAULT_DATABASE}, or set {' or '.join(_SERVER_VARIABLES)}."
        )
    return found


def _server_database() -> str | None:
    """The database that a server started here would have, and is said to be asked."""
    for name in _SERVER_VARIABLES:
        if found := os.environ.get(name):
            click.echo(f"Asking {masked(found)} ({name}).", err=True)
            return found
    for uri in _DATABASES_HERE:
        if Path(uri.removeprefix("sqlite:///")).is_file():
            click.echo(f"Asking {uri}, the database in this folder.", err=True)
            return uri
    return None


def _require_file(url: URL) -> None:
    """Opening a SQLite database that is not there would make an empty one."""
    path = url.database or ""
    if url.get_backend_name() != "sqlite" or path.startswith("file:") or Path(path).is_file():
        return
    raise FileNotFoundError(f"There is no SQLite database {path or 'in memory'}.")


def _wait_for_other_writers(connection: Any, _record: Any) -> None:
    """SQLite has one writer at a time, and its driver waits for five seconds."""
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
