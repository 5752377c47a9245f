"""The project's own Alembic history, beside MLflow's."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import _verify_schema
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.event import listens_for

from hokusai_mlflow_plugin.db.schema import migration_lock, migrations
from hokusai_mlflow_plugin.db.schema.tables import VERSION_TABLE, metadata
from hokusai_mlflow_plugin.domain.errors import SchemaMismatch
from hokusai_mlflow_plugin.store.registry_store import build_store


@pytest.fixture
def engine(stock_database_uri: str) -> Engine:
    """The engine of a database with MLflow's schema and none of our tables."""
    return SqlAlchemyStore(stock_database_uri).engine


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def ours(engine: Engine) -> set[str]:
    return {name for name in tables(engine) if name.startswith("hokusai_")}


def shape(engine: Engine) -> dict[str, Any]:
    """Columns, keys and indexes of every table that is not ours."""
    inspector = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
            inspector.get_pk_constraint(name),
            sorted(map(repr, inspector.get_foreign_keys(name))),
            sorted(map(repr, inspector.get_indexes(name))),
        )
        for name in tables(engine) - ours(engine) - {VERSION_TABLE}
    }


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))


def test_all_migrations_make_the_schema(engine):
    """All migrations applied are the tables that the code works with: nothing is left to differ."""
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert migrations.schema_state(connection).is_current
        assert migrations.differences(connection) == []
    assert ours(engine) == set(metadata.tables)


def test_each_step_up_and_down(engine):
    """Every migration can be taken back and applied again, one at a time."""
    scripts = ScriptDirectory.from_config(migrations._config(None))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    migrations.upgrade(engine)
    for target in [*revisions[-2::-1], "base", *revisions]:
        with migration_lock.exclusive(engine) as connection:
            config = migrations._config(connection)
            step = command.upgrade if target in revisions and target > _at(connection) else None
            (step or command.downgrade)(config, target)
    with engine.connect() as connection:
        assert migrations.differences(connection) == []


def _at(connection: Any) -> str:
    return migrations.schema_state(connection).current or ""


def test_downgrade_leaves_nothing(engine):
    """Taking every migration back leaves MLflow's tables alone in the database."""
    before = tables(engine)
    migrations.upgrade(engine)
    with migration_lock.exclusive(engine) as connection:
        command.downgrade(migrations._config(connection), "base")
    assert tables(engine) - {VERSION_TABLE} == before


def test_differences_are_found(engine):
    """A table of ours that somebody changed is named; tables of others are not looked at."""
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE unrelated (id INTEGER)"))
        connection.execute(text("DROP TABLE hokusai_policy_findings"))
    with engine.connect() as connection:
        found = migrations.differences(connection)
    assert len(found) == 1
    assert "hokusai_policy_findings" in found[0]


def test_mlflow_stays_as_it_was(engine, store_factory):
    """Opening the plugin's store changes no table of MLflow's, which finds its schema whole."""
    before = shape(engine)
    store_factory()
    assert ours(engine)
    assert shape(engine) == before
    _verify_schema(engine)


def test_no_foreign_key_leads_to_mlflow(engine):
    """A foreign key to MLflow's tables would block MLflow's own migrations."""
    migrations.upgrade(engine)
    inspector = inspect(engine)
    assert all(inspector.get_foreign_keys(name) == [] for name in ours(engine))


def test_logging_stays_as_it_was(engine):
    """Migrating configures no logging: that would silence the server's loggers."""
    logger = logging.getLogger("somebody.else")
    before = (logging.root.handlers[:], logging.root.level, logger.disabled, logger.level)
    migrations.upgrade(engine)
    assert before == (logging.root.handlers[:], logging.root.level, logger.disabled, logger.level)


def test_upgrading_twice(engine):
    """A database that is up to date is left as it is."""
    assert migrations.upgrade(engine).current is None
    assert migrations.upgrade(engine).is_current


@pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
def test_the_lock_lasts_until_the_commit(engine, database_uri):
    """Who waits for another's migrations finds them committed, and runs none of them again."""
    first = create_engine(database_uri)
    committing = Event()

    @listens_for(first, "commit")
    def _commit_late(_connection: Any) -> None:
        committing.set()
        sleep(0.5)

    with ThreadPoolExecutor() as pool:
        migrating = pool.submit(migrations.upgrade, first)
        assert committing.wait(30)
        assert migrations.upgrade(engine).is_current
        assert migrating.result().current is None
    first.dispose()


def test_too_old(engine, store_factory):
    """Without automatic migration an old schema is refused, with the command to run."""
    with pytest.raises(MlflowException, match="run 'hokusai-mlflow db upgrade"):
        store_factory(HOKUSAI_AUTO_MIGRATE="false")
    assert ours(engine) == set()


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
@pytest.mark.parametrize("revision", [None, "9999"])
def test_no_password_in_a_message(stock_database_uri, monkeypatch, revision):
    """A refused schema is reported without the password of the database."""
    monkeypatch.setenv("HOKUSAI_AUTO_MIGRATE", "false")
    uri = make_url(stock_database_uri).set(password="s3cret").render_as_string(hide_password=False)
    engine = SqlAlchemyStore(uri).engine
    if revision is not None:
        migrations.upgrade(engine)
        set_revision(engine, revision)
    with pytest.raises(MlflowException) as caught:
        build_store(f"hokusai+{uri}")
    assert "hokusai" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_too_new(engine, store_factory):
    """A schema of a newer release is refused, and left as it is."""
    migrations.upgrade(engine)
    set_revision(engine, "9999")
    with pytest.raises(MlflowException, match=r"9999.*newer release.*pip install"):
        store_factory()
    with pytest.raises(SchemaMismatch):
        migrations.upgrade(engine)
    with engine.connect() as connection:
        assert migrations.schema_state(connection).current == "9999"
