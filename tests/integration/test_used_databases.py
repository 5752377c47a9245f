"""A database that a test is done with serves the next one as if it were new."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect, text
from support.databases import AllDatabases
from support.engines import dispose_engines
from support.registry import create_version

from hokusai_mlflow_plugin.store.registry_store import build_store

CHANGES = [
    "ALTER TABLE hokusai_series ADD COLUMN extra INTEGER",
    "CREATE TABLE extra (id INTEGER)",
    "DROP TABLE hokusai_series",
    "DELETE FROM hokusai_state",
    "CREATE VIEW extra AS SELECT 1 AS a",
]


def contents(uri: str) -> dict[str, tuple[list[str], list[str]]]:
    """Columns and rows of every table."""
    engine = create_engine(uri)
    with engine.connect() as connection:
        found = {
            table: (
                [column["name"] for column in inspect(connection).get_columns(table)],
                sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}")))),
            )
            for table in inspect(connection).get_table_names()
        }
    engine.dispose()
    return found


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_nothing_is_left(all_databases: AllDatabases, dialect: str) -> None:
    """Rows, tables, columns: what a test changed is not there for the next."""
    databases = all_databases.of(dialect)
    uri = databases.create()
    new = contents(uri)
    for change in CHANGES:
        create_version(build_store(f"hokusai+{uri}"))
        engine = create_engine(uri)
        with engine.begin() as connection:
            connection.execute(text(change))
        engine.dispose()
        dispose_engines()
        databases.drop(uri)
        uri = databases.create()
        assert contents(uri) == new
    databases.drop(uri)
