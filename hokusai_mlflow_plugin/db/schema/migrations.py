"""Running the project's migrations under a lock, and knowing where a database stands.

MLflow's tables and its own version table are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from hokusai_mlflow_plugin.db.schema.character_sets import wrong_columns
from hokusai_mlflow_plugin.db.schema.tables import PREFIX, VERSION_TABLE, metadata
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch

_MYSQL_LOCK = "CONCAT(:name, '_', MD5(DATABASE()))"  # MySQL's locks are the whole server's
_LOCK_TIMEOUT_S = 300


@dataclass(frozen=True)
class _Lock:
    """What is done by one process at a time."""

    name: str
    id: int
    """PostgreSQL's advisory locks are numbers."""


_MIGRATIONS = _Lock("hokusai_migrations", 0x686F6B75)  # "hoku"
_STARTING = _Lock("hokusai_starting", 0x686F6B73)


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
    scripts = ScriptDirectory.from_config(_config(None))
    head = scripts.get_current_head()
    if head is None:
        raise SchemaMismatch("The migration scripts of this installation are missing.")
    current = _context(connection).get_current_revision()
    known = current is None or current in {script.revision for script in scripts.walk_revisions()}
    return SchemaState(current, head, known)


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
    """
    with _exclusive(engine) as connection:
        state = schema_state(connection)
        if not state.known:
            raise SchemaMismatch(_too_new(state))
        if not state.is_current:
            command.upgrade(_config(connection), "head")
        return state


def differences(connection: Connection) -> list[str]:
    """Each difference between the database's Hokusai tables and those of this release."""
    context = _context(connection, include_name=_ours, target_metadata=metadata)
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
    with _exclusive(engine):
        yield


@contextmanager
def starting_alone(engine: Engine) -> Iterator[None]:
    """Keep out other servers that start, while the block has MLflow's stores opened.

    Migrations may run in the block: their lock is another one. On SQLite nobody is kept out.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with _exclusive(engine, _STARTING):
        yield


def _exclusive(engine: Engine, lock: _Lock = _MIGRATIONS) -> AbstractContextManager[Connection]:
    """One connection in one transaction, with every other holder of the lock shut out.

    PostgreSQL's advisory lock and MySQL's GET_LOCK end with the connection; SQLite and SQL Server
    are locked by the transaction itself.
    """
    if engine.dialect.name == "sqlite":
        return _sqlite_exclusive(engine)
    if engine.dialect.name in ("mysql", "mariadb"):
        return _mysql_exclusive(engine, lock)
    return _transaction_exclusive(engine, lock)


@contextmanager
def _transaction_exclusive(engine: Engine, lock: _Lock) -> Iterator[Connection]:
    """A transaction that holds a lock of PostgreSQL or SQL Server until it ends."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": lock.id})
        else:
            take = "EXEC sp_getapplock @Resource = :name, @LockMode = 'Exclusive'"
            connection.execute(text(take), {"name": lock.name})
        yield connection


@contextmanager
def _mysql_exclusive(engine: Engine, lock: _Lock) -> Iterator[Connection]:
    """A transaction within a lock of the connection's, which is given back after the commit.

    Given back earlier, the next process would not yet see the last migration, and run it again.
    """
    with engine.connect() as connection:
        parameters = {"name": lock.name, "timeout": _LOCK_TIMEOUT_S}
        with connection.begin():
            got = connection.scalar(text(f"SELECT GET_LOCK({_MYSQL_LOCK}, :timeout)"), parameters)
        if got != 1:
            raise SchemaMismatch("Another process has been migrating or starting for 5 minutes.")
        try:
            with connection.begin():
                yield connection
        finally:
            release_lock = text(f"SELECT RELEASE_LOCK({_MYSQL_LOCK})")
            connection.execute(release_lock, {"name": lock.name})


@contextmanager
def _sqlite_exclusive(engine: Engine) -> Iterator[Connection]:
    """A SQLite transaction that takes the write lock at once.

    The driver begins a transaction only before a write, and not at all before DDL (SQLAlchemy,
    "SQLite: Serializable isolation"), so it is told to leave that to us.
    """
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        before = driver.isolation_level  # type: ignore[union-attr]  # sqlite3.Connection
        driver.isolation_level = None  # type: ignore[union-attr]
        try:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_S * 1000}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        finally:
            driver.isolation_level = before  # type: ignore[union-attr]


def _ours(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "table" or (name or "").startswith(PREFIX)


def _context(connection: Connection, **options: object) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, **options})


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
