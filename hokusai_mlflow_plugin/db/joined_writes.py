"""Writes of rows that nothing reads in between, sent together.

A round trip to the database takes longer than what it does there for a row. On PostgreSQL all of
them are one statement; elsewhere one for each kind of row. What has to be known before the next
step, a lock or the outcome of a compare-and-swap, does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Table, Update, bindparam
from sqlalchemy.dialects import postgresql

from hokusai_mlflow_plugin.db.upserts import insert_if_absent, upsert

_MOST = 16
"""Rows that one statement takes: each number of them is another statement to be built."""


class _Kind(Enum):
    INSERT = auto()
    INSERT_IF_ABSENT = auto()
    UPSERT = auto()
    UPDATE = auto()


class _Part(NamedTuple):
    """What a statement does with a row; the row itself are its parameters."""

    kind: _Kind
    table: Table
    columns: tuple[str, ...]


_Write: TypeAlias = tuple[_Part, Mapping[str, Any]]


class JoinedWrites:
    """Rows that wait for :meth:`send`.

    Each is of another key: one statement of PostgreSQL can write a row only once.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writes: list[_Write] = []

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row."""
        self._add(_Kind.INSERT, table, row)

    def insert_if_absent(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row unless one has its primary key."""
        self._add(_Kind.INSERT_IF_ABSENT, table, row)

    def upsert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row, or replace the given columns of the one that has its primary key."""
        self._add(_Kind.UPSERT, table, row)

    def update(self, table: Table, row: Mapping[str, Any]) -> None:
        """Replace the given columns of the row that has its primary key."""
        self._add(_Kind.UPDATE, table, row)

    def send(self) -> None:
        """Write all of them, in their order where the database does not take them at once."""
        writes, self._writes = self._writes, []
        if self._connection.dialect.name == "postgresql":
            for start in range(0, len(writes), _MOST):
                _send_joined(self._connection, writes[start : start + _MOST])
        else:
            for part, rows in groupby(writes, key=lambda write: write[0]):
                _send(self._connection, part, [row for _part, row in rows])

    def _add(self, kind: _Kind, table: Table, row: Mapping[str, Any]) -> None:
        self._writes.append((_Part(kind, table, tuple(row)), row))


@contextmanager
def joined_writes(connection: Connection) -> Iterator[JoinedWrites]:
    """Collect the writes of the block, and send them at its end."""
    writes = JoinedWrites(connection)
    yield writes
    writes.send()


def _send_joined(connection: Connection, writes: list[_Write]) -> None:
    given = {
        _parameter(number, name): value
        for number, (_part, row) in enumerate(writes)
        for name, value in row.items()
    }
    connection.execute(_joined(tuple(part for part, _row in writes)), given)


def _send(connection: Connection, part: _Part, rows: list[Mapping[str, Any]]) -> None:
    if part.kind is _Kind.INSERT:
        connection.execute(part.table.insert(), [dict(row) for row in rows])
    elif part.kind is _Kind.INSERT_IF_ABSENT:
        for row in rows:
            insert_if_absent(connection, part.table, row)
    elif part.kind is _Kind.UPSERT:
        upsert(connection, part.table, *rows)
    else:
        connection.execute(
            _update(part, 0), [{_parameter(0, k): v for k, v in row.items()} for row in rows]
        )


# Building a statement takes longer than running it: each is built once.


@lru_cache(maxsize=256)
def _joined(parts: tuple[_Part, ...]) -> Any:
    """All of them as one statement: the last one, and each other in its WITH."""
    *others, last = (_on_postgresql(part, number) for number, part in enumerate(parts))
    # PostgreSQL runs each to its end, whether or not anything refers to it; all of them see the
    # tables as they were before, and no order is promised.
    return last.add_cte(*(each.cte(f"write_{number}") for number, each in enumerate(others)))


def _on_postgresql(part: _Part, number: int) -> Any:
    if part.kind is _Kind.UPDATE:
        return _update(part, number)
    statement = postgresql.insert(part.table).values(_parameters(part, number))
    if part.kind is _Kind.INSERT_IF_ABSENT:
        return statement.on_conflict_do_nothing()
    if part.kind is _Kind.UPSERT:
        keys = [column.name for column in part.table.primary_key]
        replaced = {name: statement.excluded[name] for name in part.columns if name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=replaced)
    return statement


@cache
def _update(part: _Part, number: int) -> Update:
    parameters = _parameters(part, number)
    keys = [column.name for column in part.table.primary_key]
    same = (part.table.c[name] == parameters.pop(name) for name in keys)
    return part.table.update().where(*same).values(parameters)


def _parameters(part: _Part, number: int) -> dict[str, Any]:
    return {
        name: bindparam(_parameter(number, name), type_=part.table.c[name].type)
        for name in part.columns
    }


def _parameter(number: int, name: str) -> str:
    return f"{name}_of_{number}"
