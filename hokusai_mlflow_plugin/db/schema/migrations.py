"""Running the project's migrations under a lock, and knowing where a database stands.

MLflow's tables and its own version table are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.schema.character_sets import wrong_columns
from hokusai_mlflow_plugin.db.schema.migration_lock import STARTING, exclusive, timeouts_explained
from hokusai_mlflow_plugin.db.schema.tables import VERSION_TABLE, is_ours, metadata
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch


@dataclass(frozen=True)
class SchemaState:
    """Where the Hokusai tables of a database stand."""

    current: str | None
    """The revision found in the database; None where there are no Hokusai tables yet."""
    head: str
    """The revision that this release works with."""
    known: bool
    """Whether this release knows ``current`` (it does not where a newer one made it)."""

    @property
    def is_current(self) -> bool:
        return self.current == self.head


def schema_state(connection: Connection) -> SchemaState:
    """Compare the database's revision with the one that this release needs."""
    head, known = _revisions()
    if head is None:
        raise SchemaMismatch("The migration scripts of this installation are missing.")
    current = _context(connection).get_current_revision()
    return SchemaState(current, head, current is None or current in known)


def open_schema(engine: Engine, *, auto_migrate: bool) -> None:
    """Make sure that the database has the tables of this release, or refuse it.

    Raises:
        SchemaMismatch: The tables are newer than this release, or older and ``auto_migrate`` is
            off. The message names the command to run.
    """
    with engine.connect() as connection:
        state = schema_state(connection)
    if state.is_current:
        return
    if not state.known:
        raise SchemaMismatch(_too_new(state))
    if not auto_migrate:
        raise SchemaMismatch(
            f"The Hokusai tables are at revision {state.current or 'none'}, this release needs "
            f"{state.head}, and HOKUSAI_AUTO_MIGRATE is off. Back the database up, then run "
            "'hokusai-mlflow db upgrade DATABASE_URI'."
        )
    upgrade(engine)


def upgrade(engine: Engine) -> SchemaState:
    """Run every migration that is missing, each once, also when several processes start at once.

    Returns:
        The state that was found before.

    Raises:
        SchemaMismatch: The tables are newer than this release, or another process is migrating them
            and does not end.
        MigrationBlocked: A table stayed locked, or a statement took too long.
    """
    with exclusive(engine) as connection:
        # Looked up behind the lock: whoever held it before may have run what seemed to be missing.
        state = schema_state(connection)
        if not state.known:
            raise SchemaMismatch(_too_new(state))
        if not state.is_current:
            with timeouts_explained():
                command.upgrade(_config(connection), "head")
        return state


def differences(connection: Connection) -> list[str]:
    """Each difference between the database's Hokusai tables and those of this release."""
    context = _context(connection, include_name=is_ours, target_metadata=metadata)
    found = [repr(difference) for difference in compare_metadata(context, metadata)]
    return found + [
        f"{each.table}.{each.column} is {each.found}, not {each.definition}"
        for each in wrong_columns(connection)
    ]


@contextmanager
def exclusively(engine: Engine) -> Iterator[None]:
    """Keep other processes' migrations out of what the block does on connections of its own.

    SQLite's lock would keep the block out too, and is not taken.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with exclusive(engine):
        yield


@contextmanager
def starting_alone(engine: Engine) -> Iterator[None]:
    """Keep out other servers that start, while the block has MLflow's stores opened.

    Migrations may run in the block: their lock is another one. On SQLite nobody is kept out.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with exclusive(engine, STARTING):
        yield


def _context(connection: Connection, **options: object) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, **options})


@cache  # reading the scripts takes longer than to ask a database where it stands
def _revisions() -> tuple[str | None, frozenset[str]]:
    """The newest revision of this release, and all that it knows."""
    scripts = ScriptDirectory.from_config(_config(None))
    return scripts.get_current_head(), frozenset(each.revision for each in scripts.walk_revisions())


def _config(connection: Connection | None) -> Config:
    config = Config()
    # Alembic's configuration interpolates %, and a path may have one.
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _scripts() -> Path:
    """The migration scripts: inside an installed wheel, or at the top of a checkout."""
    package = Path(__file__).parents[2]
    installed, checkout = package / "migrations", package.parent / "migrations"
    return installed if installed.is_dir() else checkout


def _too_new(state: SchemaState) -> str:
    return (
        f"The Hokusai tables are at revision {state.current}, which this release (up to "
        f"{state.head}) does not know: a newer release has migrated them. Install that release, "
        "e.g. 'pip install --upgrade hokusai-mlflow-plugin'."
    )
