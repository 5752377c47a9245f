"""MySQL: our columns take nothing from the database's default character set."""

from __future__ import annotations

import pytest
from alembic import command
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, make_url, text
from support.index import assert_index_is_truth
from support.registry import VALUE, create_version, token_tags
from support.rewards import events

from hokusai_mlflow_plugin.db.schema import migration_lock, migrations

pytestmark = pytest.mark.parametrize("database_uri", ["mysql"], indirect=True)


@pytest.fixture
def engine(stock_database_uri: str) -> Engine:
    """A database with MLflow's tables, whose default then became latin1."""
    engine = SqlAlchemyStore(stock_database_uri).engine
    with engine.begin() as connection:
        name = make_url(stock_database_uri).database
        connection.execute(text(f"ALTER DATABASE {name} CHARACTER SET latin1"))
    return engine


def test_a_name_beyond_the_databases_default(engine, store):
    """A model with any name gets its second version, decided and rewarded."""
    for value in ("0.5", "0.9"):
        create_version(store, "模型-1", token_tags(**{VALUE: value}))
    assert [event["data"]["name"] for event in events(store)] == ["模型-1"]
    assert_index_is_truth(store)


def test_tables_of_an_earlier_release_are_converted(engine):
    """What was made in the database's default is found by the check, and converted."""
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE hokusai_decisions MODIFY reason TEXT CHARACTER SET latin1 NOT NULL")
        )
        connection.execute(
            text(
                "ALTER TABLE hokusai_decisions MODIFY name VARCHAR(256) CHARACTER SET latin1 "
                "NOT NULL"
            )
        )
        found = " ".join(migrations.differences(connection))
    assert "hokusai_decisions.reason is text latin1" in found
    assert "hokusai_decisions.name is varchar(256) latin1" in found
    with migration_lock.exclusive(engine) as connection:
        command.downgrade(migrations._config(connection), "0003")
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert migrations.differences(connection) == []


def test_a_tag_longer_than_64_kib(engine, store):
    """What MLflow takes as a tag, an event can say: as JSON it is longer than 64 KiB."""
    create_version(store)
    name = '"' * 60_000  # as JSON it is twice as long
    create_version(store, tags=token_tags(**{VALUE: "0.9"}, contributor=name))
    assert events(store)[0]["data"]["contributors"][0]["contributor"] == name
