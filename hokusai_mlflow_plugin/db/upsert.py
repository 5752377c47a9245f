"""Writing a row whether or not one with its key is there.

An index write must never raise ``IntegrityError``: MLflow would take that for a lost race over the
version number and try again (``sqlalchemy_store.create_model_version``, MLflow 3.17).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, literal, select
from sqlalchemy.dialects import mysql, postgresql, sqlite


def upsert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or replace every other column of the row that has its primary key."""
    keys = [column.name for column in table.primary_key]
    values = {name: value for name, value in row.items() if name not in keys}
    dialect = connection.dialect.name
    if dialect == "postgresql":
        on_postgresql = postgresql.insert(table).values(**row)
        connection.execute(on_postgresql.on_conflict_do_update(index_elements=keys, set_=values))
    elif dialect == "sqlite":
        on_sqlite = sqlite.insert(table).values(**row)
        connection.execute(on_sqlite.on_conflict_do_update(index_elements=keys, set_=values))
    elif dialect in ("mysql", "mariadb"):
        on_mysql = mysql.insert(table).values(**row)
        connection.execute(on_mysql.on_duplicate_key_update(**values))
    else:
        same_key = and_(*(table.c[key] == row[key] for key in keys))
        connection.execute(table.delete().where(same_key))
        connection.execute(table.insert().values(**row))


def insert_if_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one has its primary key; waits for a concurrent insert of that key.

    Returns:
        Whether this call inserted it.
    """
    dialect = connection.dialect.name
    insert: Any
    if dialect == "postgresql":
        insert = postgresql.insert(table).values(**row).on_conflict_do_nothing()
    elif dialect == "sqlite":
        insert = sqlite.insert(table).values(**row).on_conflict_do_nothing()
    elif dialect in ("mysql", "mariadb"):
        insert = mysql.insert(table).values(**row).prefix_with("IGNORE")
    else:
        same_key = and_(*(table.c[column.name] == row[column.name] for column in table.primary_key))
        absent = ~select(table).where(same_key).exists()
        values = select(*(literal(value) for value in row.values())).where(absent)
        insert = table.insert().from_select(list(row), values)
    # Without the option, SQLAlchemy leaves the row count of an INSERT undefined.
    options = {"preserve_rowcount": True}
    return bool(connection.execute(insert, execution_options=options).rowcount == 1)
