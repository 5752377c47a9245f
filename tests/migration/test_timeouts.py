"""Migrations give up: on a table that is in use, on a statement without end, on another process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from hokusai_mlflow_plugin.cli import main
from hokusai_mlflow_plugin.db.schema import migration_lock, migrations
from hokusai_mlflow_plugin.db.schema.tables import PREFIX
from hokusai_mlflow_plugin.db.transient_errors import is_timeout
from hokusai_mlflow_plugin.domain.errors import MigrationBlocked, SchemaMismatch

SERVERS = pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
ENDLESS = {"postgresql": "SELECT pg_sleep(60)", "mysql": "SELECT SLEEP(60) FROM hokusai_state"}


@pytest.fixture
def engine(stock_database_uri: str) -> Iterator[Engine]:
    """A database with MLflow's schema and none of our tables."""
    engine = create_engine(stock_database_uri)
    yield engine
    engine.dispose()


@pytest.fixture
def at_first_revision(engine: Engine) -> Engine:
    """The same with the tables of the first revision: the next one alters one of them."""
    with migration_lock.exclusive(engine) as connection:
        command.upgrade(migrations._config(connection), "0001")
    return engine


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes minutes takes a second."""
    monkeypatch.setattr(migration_lock, "LOCK_TIMEOUT_S", 1)
    monkeypatch.setattr(migration_lock, "TABLE_TIMEOUT_S", 1)


def state(engine: Engine) -> tuple[str | None, dict[str, list[str]]]:
    """The revision of a database, and the columns of our tables."""
    with engine.connect() as connection:
        revision = migrations.schema_state(connection).current
    inspector = inspect(engine)
    ours = [name for name in inspector.get_table_names() if name.startswith(PREFIX)]
    return revision, {name: [c["name"] for c in inspector.get_columns(name)] for name in ours}


def session_timeouts(connection: Connection) -> list[Any]:
    """What the database says of the time-outs of a connection."""
    if connection.dialect.name == "postgresql":
        names = "current_setting('lock_timeout'), current_setting('statement_timeout')"
    else:
        names = "@@lock_wait_timeout, @@innodb_lock_wait_timeout"
    return list(connection.exec_driver_sql(f"SELECT {names}").one())


@SERVERS
def test_a_table_in_use(at_first_revision, database_uri):
    """A migration that a reader's open transaction blocks says so, and leaves all as it was."""
    engine = at_first_revision
    before = state(engine)
    with create_engine(database_uri).connect() as reader:
        reader.execute(text("SELECT * FROM hokusai_token_index")).all()
        with pytest.raises(MigrationBlocked, match=r"locked for 1 seconds.*used as before"):
            migrations.upgrade(engine)
        assert state(engine) == before
        blocked = CliRunner().invoke(main, ["db", "upgrade", database_uri])
    assert blocked.exit_code == 1
    assert blocked.stderr.startswith("Error: The Hokusai tables could not be migrated")
    assert migrations.upgrade(engine).current == "0001"
    assert state(engine)[0] == migrations.schema_state(engine.connect()).head


@SERVERS
def test_a_statement_without_end(engine, monkeypatch):
    """No statement of a migration works for longer than it may."""
    migrations.upgrade(engine)
    monkeypatch.setattr(migration_lock, "STATEMENT_TIMEOUT_S", 1)
    with (
        pytest.raises(MigrationBlocked, match="longer than 1 seconds"),
        migration_lock.exclusive(engine) as connection,
        migration_lock.timeouts_explained(),
    ):
        connection.exec_driver_sql(ENDLESS[engine.dialect.name])


@SERVERS
def test_requests_keep_their_own(engine):
    """The time-outs are the migration's alone: a connection of the pool is as it was."""
    with engine.connect() as connection:
        before = session_timeouts(connection)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert session_timeouts(connection) == before


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_requests_keep_their_own_on_sqlite(engine):
    """As on a server: a request waits for SQLite's lock as long as before."""
    with engine.connect() as connection:
        before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
        migrations.upgrade(engine)
    with engine.connect() as first, engine.connect() as second:
        found = {c.exec_driver_sql("PRAGMA busy_timeout").scalar() for c in (first, second)}
    assert found == {before}


def test_another_process_without_end(engine, database_uri):
    """Who waits in vain for another's migrations says so, and leaves all as it was."""
    other = create_engine(database_uri)
    with migration_lock.exclusive(other), pytest.raises(SchemaMismatch, match="another process"):
        migrations.upgrade(engine)
    assert state(engine) == (None, {})
    other.dispose()
    migrations.upgrade(engine)


def test_what_is_no_timeout_stays_what_it_is(engine):
    """A statement that is wrong is not reported as one that took too long."""
    with (
        pytest.raises(DBAPIError) as caught,
        engine.connect() as connection,
        migration_lock.timeouts_explained(),
    ):
        connection.exec_driver_sql("SELECT * FROM hokusai_nothing")
    assert not is_timeout(caught.value)
