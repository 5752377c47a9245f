"""What databases say when a transaction has to give way to another, or has waited long enough."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

_SQLSTATES = ("40P01", "40001")  # PostgreSQL: deadlock, serialization failure
_FIRST_ARGUMENTS = (
    1213,  # MySQL: deadlock
    1205,  # MySQL: lock wait timeout
    "database is locked",  # SQLite: its writers do not queue, and one of many can starve
)
_TIMEOUT_SQLSTATES = ("55P03", "57014")  # PostgreSQL: lock_timeout, statement_timeout
_TIMEOUT_ARGUMENTS = (
    1205,  # MySQL: lock wait timeout, of a row or a table
    3024,  # MySQL: max_execution_time
    1969,  # MariaDB: max_statement_time
    "database is locked",  # SQLite
)


def is_deadlock(error: BaseException | None) -> bool:
    """Whether a database ended a transaction because of another, and rolled it back whole."""
    return _says(error, _SQLSTATES, _FIRST_ARGUMENTS)


def is_timeout(error: BaseException | None) -> bool:
    """Whether a database gave a statement up because it waited or worked for too long."""
    return _says(error, _TIMEOUT_SQLSTATES, _TIMEOUT_ARGUMENTS)


def _says(
    error: BaseException | None, sqlstates: tuple[str, ...], arguments: tuple[int | str, ...]
) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    driver_error: Any = error.orig
    # psycopg names it sqlstate, psycopg2 pgcode.
    state = getattr(driver_error, "sqlstate", None) or getattr(driver_error, "pgcode", None)
    if state in sqlstates:
        return True
    found: Any = getattr(driver_error, "args", ())
    return bool(found) and found[0] in arguments
