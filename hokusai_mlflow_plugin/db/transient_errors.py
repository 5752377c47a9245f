"""What a database error means, by the codes and words that each database has for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

_DEADLOCKS = frozenset(
    (
        "40P01",  # PostgreSQL: deadlock
        "40001",  # PostgreSQL: serialization failure; by ODBC: deadlock
        1213,  # MySQL: deadlock
        1205,  # MySQL: lock wait timeout; SQL Server: deadlock
        "database is locked",  # SQLite: its writers do not queue, and one of many can starve
    )
)
# Where drivers put the code: psycopg, psycopg2, those of MariaDB and MySQL.
_ATTRIBUTES = ("sqlstate", "pgcode", "errno")

_TIMEOUTS = frozenset(
    (
        "55P03",  # PostgreSQL: lock_timeout
        "57014",  # PostgreSQL: statement_timeout
        1205,  # MySQL: lock wait timeout, of a row or a table
        3024,  # MySQL: max_execution_time
        1969,  # MariaDB: max_statement_time
        "database is locked",  # SQLite
    )
)
_READ_ONLY = frozenset(
    (
        "25006",  # PostgreSQL
        1290,  # MySQL: the server runs with --read-only
        1792,  # MySQL: the transaction is READ ONLY
        1836,  # MySQL: read only mode
        "attempt to write a readonly database",  # SQLite
    )
)


def is_read_only(error: BaseException | None) -> bool:
    """Whether a database takes no writes: a standby, or one that was set so."""
    return _says(error, _READ_ONLY)


def is_about_values(error: BaseException | None) -> bool:
    """Whether a database could not take a value that it was given."""
    return isinstance(error, (DataError, IntegrityError)) or (
        isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    )


def is_deadlock(error: BaseException | None) -> bool:
    """Whether a database ended a transaction because of another, and rolled it back whole."""
    return _says(error, _DEADLOCKS)


def is_timeout(error: BaseException | None) -> bool:
    """Whether a database gave a statement up because it waited or worked for too long."""
    return _says(error, _TIMEOUTS)


def _says(error: BaseException | None, codes: frozenset[object]) -> bool:
    return isinstance(error, DBAPIError) and not codes.isdisjoint(_codes(error.orig))


def _codes(driver_error: Any) -> set[object]:
    """What a driver's error may name its kind by; every driver has a place of its own."""
    found = {getattr(driver_error, attribute, None) for attribute in _ATTRIBUTES}
    first, *_others = getattr(driver_error, "args", ()) or (None,)
    if isinstance(first, dict):  # pg8000 gives the fields of PostgreSQL's message
        first = first.get("C")
    return found | {first} if isinstance(first, (str, int)) else found
