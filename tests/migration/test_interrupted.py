"""Migrations that are killed in the middle: running them again completes them.

MySQL and MariaDB commit each DDL statement at once, so what was made before the kill stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, select, text
from support.examples import share
from support.killed import KillableProcess, killable
from support.killed_tasks import downgrade

from hokusai_mlflow_plugin.db.schema import migration_lock, migrations
from hokusai_mlflow_plugin.db.schema.tables import PREFIX, VERSION_TABLE, metadata, state
from hokusai_mlflow_plugin.db.seals import is_sealed

STEP = 4 // share(4)
"""Killed at every statement in the long form, else at every fourth."""


@pytest.fixture
def engine(stock_database_uri: str) -> Iterator[Engine]:
    """A database with MLflow's schema and none of our tables."""
    engine = create_engine(stock_database_uri)
    yield engine
    engine.dispose()


@pytest.fixture
def process(stock_database_uri: str) -> Iterator[KillableProcess]:
    """Migrates the same database, and is killed."""
    with killable("support.killed_tasks:migrating", stock_database_uri) as process:
        yield process


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that outlives its process fails the test, and does not just delay it."""
    monkeypatch.setattr(migration_lock, "LOCK_TIMEOUT_S", 20)


def ours(engine: Engine) -> list[str]:
    return [name for name in inspect(engine).get_table_names() if name.startswith(PREFIX)]


def schema(engine: Engine) -> dict[str, Any]:
    """Columns with their types and collations, keys and indexes of every table of ours."""
    inspector, names = inspect(engine), ours(engine)
    columns = inspector.get_multi_columns(filter_names=names)
    keys = inspector.get_multi_pk_constraint(filter_names=names)
    indexes = inspector.get_multi_indexes(filter_names=names)
    return {
        name: (list(map(repr, columns[name])), keys[name], sorted(map(repr, indexes[name])))
        for name in columns
    }


def drop_ours(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in [*ours(engine), VERSION_TABLE]:
            connection.execute(text(f"DROP TABLE {name}"))


# As many upgrades as there are statements, each from an empty database.
@pytest.mark.timeout(1200)
def test_upgrade(engine, process):
    """Wherever an upgrade is killed, the next one makes the same schema and the same rows."""
    migrations.upgrade(engine)
    whole = schema(engine)
    for point in count(1, STEP):
        drop_ours(engine)
        alive = process.run(point, direction="up")
        migrations.upgrade(engine)
        with engine.connect() as connection:
            assert migrations.schema_state(connection).is_current
            assert migrations.differences(connection) == []
            rows = connection.execute(select(state)).mappings().all()
            assert [(row["key"], row["value"]) for row in rows] == [("backfill", "pending")]
            assert all(is_sealed(state, row) for row in rows)
        assert schema(engine) == whole
        if alive:
            break
    assert point > len(metadata.tables)


@pytest.mark.timeout(1200)  # likewise
def test_downgrade(engine, process):
    """Wherever a downgrade is killed, the next one takes away what is left."""
    for point in count(1, STEP):
        migrations.upgrade(engine)
        alive = process.run(point, direction="down")
        downgrade(engine)
        assert ours(engine) == []
        if alive:
            break
    assert point > len(metadata.tables)
