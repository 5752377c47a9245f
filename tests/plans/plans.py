"""Hearing the statements of a call and reading the plan that the database has for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

_EXPLAINED = ("SELECT", "UPDATE", "DELETE", "WITH", "INSERT")


@dataclass(frozen=True)
class Plan:
    """One statement and how the database executes it."""

    statement: str
    text: str
    is_compiled_once: bool
    """Whether SQLAlchemy finds its SQL again, or makes it anew for each call."""

    def scanned_tables(self) -> set[str]:
        """Tables, or SQLite's names for them, that the plan reads from one end to the other."""
        on_postgres = re.findall(r"Seq Scan on (\w+)", self.text)
        # SQLite: a scan of a whole index counts too; rows of subqueries and constants do not.
        on_sqlite = re.findall(r"^SCAN (?!CONSTANT|\()(\w+)", self.text, re.MULTILINE)
        return {*on_postgres, *on_sqlite}


def plans_of(engine: Engine, call: Callable[[Connection], Any]) -> list[Plan]:
    """The plans of every statement that a call executes; what it writes is rolled back."""
    with engine.connect() as connection:
        with _heard(connection) as statements:
            call(connection)
        found = [
            Plan(sql, _explain(connection, sql, given), once) for sql, given, once in statements
        ]
        connection.rollback()
    return found


@contextmanager
def _heard(connection: Connection) -> Iterator[list[tuple[str, Any, bool]]]:
    statements: list[tuple[str, Any, bool]] = []

    def hear(
        _connection: Any, _cursor: Any, sql: str, given: Any, context: Any, _many: bool
    ) -> None:
        if sql.lstrip().upper().startswith(_EXPLAINED):
            statements.append((sql, given, context.compiled.cache_key is not None))

    event.listen(connection, "before_cursor_execute", hear)
    yield statements
    event.remove(connection, "before_cursor_execute", hear)


def _explain(connection: Connection, sql: str, given: Any) -> str:
    on_sqlite = connection.dialect.name == "sqlite"
    prefix = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
    rows = connection.exec_driver_sql(prefix + sql, given)
    return "\n".join(str(row[-1]) for row in rows)
