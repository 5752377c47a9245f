"""Writing a row whether or not one with its key is there.

An index write must never raise ``IntegrityError``: MLflow would take that for a lost race over the
version number and try again (``sqlalchemy_store.create_model_version``, MLflow 3.17).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, and_, literal, select
from sqlalchemy.dialects import mysql, postgresql, sqlite


def upsert(connection: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    """Insert rows, or replace the other given columns of those that have their primary keys.

    Args:
        connection: A connection that may write.
        table: The table.
        rows: Rows with the same columns.
    """
    statement = _upsert(table, connection.dialect.name, frozenset(rows[0]))
    if statement is None:
        # SQL Server has no upsert. Nobody comes between the two statements: whoever writes a key
        # has locked its version or its model.
        for row in rows:
            connection.execute(table.delete().where(_same_key(table, row)))
        statement = table.insert()
    connection.execute(statement, [dict(row) for row in rows])


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one has its primary key; waits for a concurrent insert of that key.

    Returns:
        Whether this call inserted it.
    """
    statement = _insert_if_absent(table, connection.dialect.name)
    parameters: dict[str, Any] | None = dict(row)
    if statement is None:
        absent = ~select(table).where(_same_key(table, row)).exists()
        values = select(*(literal(value) for value in row.values())).where(absent)
        statement, parameters = table.insert().from_select(list(row), values), None
    # Without the option, SQLAlchemy leaves the row count of an INSERT undefined.
    options = {"preserve_rowcount": True}
    result = connection.execute(statement, parameters, execution_options=options)
    return bool(result.rowcount == 1)


# Building a statement takes longer than running it: each is built once.


@cache
def _upsert(table: Table, dialect: str, given: frozenset[str]) -> Insert | None:
    """For the parameters of a row; None where the database has no such statement."""
    keys = [column.name for column in table.primary_key]
    replaced = sorted(given.difference(keys))
    if dialect == "postgresql":
        on_postgresql = postgresql.insert(table)
        values = {name: on_postgresql.excluded[name] for name in replaced}
        return on_postgresql.on_conflict_do_update(index_elements=keys, set_=values)
    if dialect == "sqlite":
        on_sqlite = sqlite.insert(table)
        values = {name: on_sqlite.excluded[name] for name in replaced}
        return on_sqlite.on_conflict_do_update(index_elements=keys, set_=values)
    if dialect in ("mysql", "mariadb"):
        on_mysql = mysql.insert(table)
        return on_mysql.on_duplicate_key_update(
            {name: on_mysql.inserted[name] for name in replaced}
        )
    return None


@cache
def _insert_if_absent(table: Table, dialect: str) -> Insert | None:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect in ("mysql", "mariadb"):
        # IGNORE makes warnings of other faults, too: a value too long would be cut. So only rows
        # that were checked may come here.
        return mysql.insert(table).prefix_with("IGNORE")
    return None


def _same_key(table: Table, row: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(column == row[column.name] for column in table.primary_key))
