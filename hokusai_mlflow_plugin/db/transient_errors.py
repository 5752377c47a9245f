"""What databases say when one of two transactions has to give way, and may be begun again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

_SQLSTATES = ("40P01", "40001")  # PostgreSQL: deadlock, serialization failure
_FIRST_ARGUMENTS = (
    1213,  # MySQL: deadlock
    1205,  # MySQL: lock wait timeout
    "database is locked",  # SQLite: its writers do not queue, and one of many can starve
)


def is_deadlock(error: BaseException | None) -> bool:
    """Whether a database ended a transaction because of another, and rolled it back whole."""
    if not isinstance(error, DBAPIError):
        return False
    driver_error: Any = error.orig
    if getattr(driver_error, "sqlstate", None) in _SQLSTATES:
        return True
    arguments: Any = getattr(driver_error, "args", ())
    return bool(arguments) and arguments[0] in _FIRST_ARGUMENTS
