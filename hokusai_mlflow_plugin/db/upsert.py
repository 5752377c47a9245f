"""Writing a row whether or not one with its key is there.

An index write must never raise ``IntegrityError``: MLflow would take that for a lost race over the
version number and try again (``sqlalchemy_store.create_model_version``, MLflow 3.17).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_
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
