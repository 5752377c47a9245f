"""Steps of migrations that can be taken again: what is there already is left as it is.

MySQL and MariaDB commit each DDL statement at once. A migration that is killed there leaves what
it has made, and runs from its first step again. What is there is looked up by name, because MySQL
has no CREATE INDEX IF NOT EXISTS, and SQL Server no IF NOT EXISTS at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import Column, Inspector, inspect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine


def create_table(name: str, *items: SchemaItem) -> None:
    """Create a table, unless there is one of that name."""
    if not _found().has_table(name):
        # Else a column without a character set of its own takes the database's default.
        op.create_table(name, *items, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def create_index(name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Create an index on columns of a table, unless the table has one of that name."""
    if name not in _indexes(table):
        op.create_index(name, table, columns, unique=unique)


def drop_index(name: str, table: str) -> None:
    """Drop an index of a table, if the table has one of that name."""
    if name in _indexes(table):
        op.drop_index(name, table)


def add_column(table: str, column: Column[Any]) -> None:
    """Add a column to a table, unless the table has one of that name."""
    if column.name not in _columns(table):
        op.add_column(table, column)


def resize_column(table: str, name: str, before: TypeEngine[str], after: TypeEngine[str]) -> None:
    """Give a nullable text column another length; one that has it already stays as it is."""
    # As a batch: SQLite alters no column, so Alembic copies the table there, and only there.
    with op.batch_alter_table(table) as batch:
        batch.alter_column(name, existing_type=before, type_=after, existing_nullable=True)


def drop_table(name: str) -> None:
    """Drop a table with its indexes, if there is one of that name."""
    if _found().has_table(name):
        op.drop_table(name)


def drop_column(table: str, name: str) -> None:
    """Drop a column of a table, if the table has one of that name."""
    if name in _columns(table):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(name)


def _indexes(table: str) -> set[str | None]:
    return {index["name"] for index in _found().get_indexes(table)}


def _columns(table: str) -> set[str]:
    return {column["name"] for column in _found().get_columns(table)}


def _found() -> Inspector:
    """A new inspector each time: one remembers what it has seen."""
    return inspect(op.get_bind())
