"""What databases say when one of two transactions has to give way, and may be begun again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

_CODES = frozenset(
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


def is_deadlock(error: BaseException | None) -> bool:
    """Whether a database ended a transaction because of another, and rolled it back whole."""
    if not isinstance(error, DBAPIError):
        return False
    return not _CODES.isdisjoint(_codes(error.orig))


def _codes(driver_error: Any) -> set[object]:
    """What a driver's error may name its kind by; every driver has a place of its own."""
    found = {getattr(driver_error, attribute, None) for attribute in _ATTRIBUTES}
    first, *_others = getattr(driver_error, "args", ()) or (None,)
    if isinstance(first, dict):  # pg8000 gives the fields of PostgreSQL's message
        first = first.get("C")
    return found | {first} if isinstance(first, (str, int)) else found
