"""What the commands work on: a database, or a registry as any client knows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from hokusai_mlflow_plugin.db.mlflow_tables import model_version_tags, model_versions
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch
from hokusai_mlflow_plugin.settings import Settings, read_settings

if TYPE_CHECKING:
    from hokusai.core import ModelRegistry

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
    # MLflow takes a second to import; the help texts do without.
    from hokusai_mlflow_plugin.db import migrate  # noqa: PLC0415
    from hokusai_mlflow_plugin.store.mlflow_compat import new_engine  # noqa: PLC0415
    from hokusai_mlflow_plugin.store.registry_store import database_uri  # noqa: PLC0415

    settings = read_settings()
    try:
        engine = new_engine(database_uri(_given(uri)))
    except (ArgumentError, NoSuchModuleError):
        raise click.UsageError("The database URI is no URI that SQLAlchemy knows.") from None
    try:
        tables = set(inspect(engine).get_table_names())
        if not {model_versions.name, model_version_tags.name} <= tables:
            raise SchemaMismatch(
                "This database holds no MLflow registry. Start a server on it first, or run "
                "'mlflow db upgrade DATABASE_URI'."
            )
        if migrated:
            migrate.open_schema(engine, auto_migrate=False)
        yield engine, settings
    finally:
        engine.dispose()


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
