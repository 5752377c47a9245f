"""Ranges of versions in key order, and how each database finds one in an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, tuple_

Position = tuple[str, int]
"""Name and version: the place of a version within its workspace."""


@dataclass(frozen=True)
class Span:
    """The versions of a workspace after one position, up to and including another."""

    workspace: str
    after: Position | None
    """None: from the first version on."""
    last: Position | None
    """None: to the last version."""


def inside(connection: Connection, table: Table, span: Span) -> list[ColumnElement[bool]]:
    """Whether a row's key lies in a span.

    Each database is asked in the way in which it takes an index range from it: rows are compared
    as such where it can do that. Bounds on the name alone besides, by which PostgreSQL's planner
    estimates; SQLite would take those for the range and read a large model over and over.
    """
    conditions = [table.c.workspace == span.workspace]
    dialect = connection.dialect.name
    if dialect != "sqlite":
        conditions += names(table.c.name, span)
    name, version = table.c.name, table.c.version
    if dialect in ("sqlite", "postgresql"):
        if span.after is not None:
            conditions.append(tuple_(name, version) > tuple_(*span.after))
        if span.last is not None:
            conditions.append(tuple_(name, version) <= tuple_(*span.last))
        return conditions
    if span.after is not None:
        # Enough beside the bounds on the name above. A comparison of rows would say the same, but
        # MySQL and SQL Server make no index range of one.
        conditions.append(or_(name > span.after[0], version > span.after[1]))
    if span.last is not None:
        conditions.append(or_(name < span.last[0], version <= span.last[1]))
    return conditions


def names(name: ColumnElement[str], span: Span) -> list[ColumnElement[bool]]:
    """Whether a name lies between those of a span's ends."""
    conditions = []
    if span.after is not None:
        conditions.append(name >= span.after[0])
    if span.last is not None:
        conditions.append(name <= span.last[0])
    return conditions


def follows(
    connection: Connection, keys: Sequence[ColumnElement[Any]], after: Sequence[Any]
) -> ColumnElement[bool]:
    """Whether a row's key comes after another one, as each database takes an index range from it.

    Args:
        connection: Tells the database.
        keys: The key's columns in their order.
        after: The other key.
    """
    if connection.dialect.name in ("sqlite", "postgresql"):
        return tuple_(*keys) > tuple_(*after)
    steps = range(len(keys))
    return or_(
        *(and_(*(keys[i] == after[i] for i in steps[:n]), keys[n] > after[n]) for n in steps)
    )


def newest_before(
    time: ColumnElement[int], key: ColumnElement[str], before: tuple[int, str] | None
) -> list[ColumnElement[bool]]:
    """Whether a row comes after one, where rows are ordered by time and key, both descending."""
    if before is None:
        return []
    # The first column is bounded on its own: MySQL takes no index range from the rest.
    return [time <= before[0], or_(time < before[0], key < before[1])]


def same_model(one: Table, other: Table) -> ColumnElement[bool]:
    """The join condition of two tables that are keyed by model or version."""
    return and_(one.c.workspace == other.c.workspace, one.c.name == other.c.name)
