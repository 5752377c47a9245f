"""What databases say when one of two transactions has to give way, and may be begun again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

_SQLSTATES = ("40P01", "40001")  # PostgreSQL: deadlock, serialization failure
_FIRST_ARGUMENTS = (
    1213,  # MySQL: deadlock
    1205,  # MySQL: lock wait timeout
    "database is locked",  # SQLite: its writers do not queue, and one of many can starve
)

_READ_ONLY_SQLSTATE = "25006"  # PostgreSQL
_READ_ONLY_FIRST_ARGUMENTS = (
    1290,  # MySQL: the server runs with --read-only
    1792,  # MySQL: the transaction is READ ONLY
    1836,  # MySQL: read only mode
    "attempt to write a readonly database",  # SQLite
)


def is_read_only(error: BaseException | None) -> bool:
    """Whether a database takes no writes: a standby, or one that was set so."""
    if not isinstance(error, DBAPIError):
        return False
    driver_error: Any = error.orig
    if _sqlstate(driver_error) == _READ_ONLY_SQLSTATE:
        return True
    arguments: Any = getattr(driver_error, "args", ())
    return bool(arguments) and arguments[0] in _READ_ONLY_FIRST_ARGUMENTS


def is_about_values(error: BaseException | None) -> bool:
    """Whether a database could not take a value that it was given."""
    return isinstance(error, (DataError, IntegrityError)) or (
        isinstance(error, StatementError) and not isinstance(error, DBAPIError)
    )


def _sqlstate(driver_error: Any) -> str | None:
    # psycopg 3, and psycopg 2
    return getattr(driver_error, "sqlstate", None) or getattr(driver_error, "pgcode", None)


def is_deadlock(error: BaseException | None) -> bool:
    """Whether a database ended a transaction because of another, and rolled it back whole."""
    if not isinstance(error, DBAPIError):
        return False
    driver_error: Any = error.orig
    if _sqlstate(driver_error) in _SQLSTATES:
        return True
    arguments: Any = getattr(driver_error, "args", ())
    return bool(arguments) and arguments[0] in _FIRST_ARGUMENTS
