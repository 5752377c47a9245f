"""One process's migrations at a time, and none that waits for a table or works without end.

A statement that waits to change a table keeps everyone who comes after it waiting too, so it gives
up long before their clients do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from hokusai_mlflow_plugin.db.transient_errors import is_timeout
from hokusai_mlflow_plugin.domain.errors import MigrationBlocked, SchemaMismatch

_MYSQL_LOCK = "CONCAT(:name, '_', MD5(DATABASE()))"  # MySQL's locks are the whole server's
LOCK_TIMEOUT_S = 300
"""How long another process's migrations are waited for."""
TABLE_TIMEOUT_S = 30
"""How long a table or row is waited for that another transaction uses."""
STATEMENT_TIMEOUT_S = 3600
"""How long one statement may work: an index of ten million rows takes minutes."""


@dataclass(frozen=True)
class Lock:
    """What is done by one process at a time."""

    name: str
    id: int
    """PostgreSQL's advisory locks are numbers."""


MIGRATIONS = Lock("hokusai_migrations", 0x686F6B75)  # "hoku"
STARTING = Lock("hokusai_starting", 0x686F6B73)


def exclusive(engine: Engine, lock: Lock = MIGRATIONS) -> AbstractContextManager[Connection]:
    """One connection in one transaction, with every other holder of the lock shut out.

    PostgreSQL's advisory lock and MySQL's GET_LOCK end with the connection; SQLite and SQL Server
    are locked by the transaction itself.

    Raises:
        SchemaMismatch: Another process has been migrating for ``LOCK_TIMEOUT_S``.
    """
    if engine.dialect.name == "sqlite":
        return _sqlite(engine)
    of_dialect = {
        "postgresql": _postgresql,
        "mysql": _mysql,
        "mariadb": _mysql,
    }.get(engine.dialect.name, _mssql)
    return of_dialect(engine, lock)


@contextmanager
def timeouts_explained() -> Iterator[None]:
    """Say in a sentence that a statement of the block was given up.

    Raises:
        MigrationBlocked: It waited for ``TABLE_TIMEOUT_S``, or worked for ``STATEMENT_TIMEOUT_S``.
    """
    try:
        yield
    except DBAPIError as error:
        if not is_timeout(error):
            raise
        raise MigrationBlocked(TABLE_TIMEOUT_S, STATEMENT_TIMEOUT_S) from error


@contextmanager
def _postgresql(engine: Engine, lock: Lock) -> Iterator[Connection]:
    """A transaction that holds the lock until it ends; its time-outs end with it."""
    with engine.begin() as connection:
        # First the statement's own: the role's default may be shorter than the wait for the lock.
        _set_local(connection, "statement_timeout", STATEMENT_TIMEOUT_S)
        _set_local(connection, "lock_timeout", LOCK_TIMEOUT_S)
        with _turn_awaited():
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": lock.id})
        _set_local(connection, "lock_timeout", TABLE_TIMEOUT_S)
        yield connection


def _set_local(connection: Connection, name: str, seconds: float) -> None:
    """SET LOCAL, which takes no parameters."""
    setting = {"name": name, "value": f"{int(seconds * 1000)}ms"}
    connection.execute(text("SELECT set_config(:name, :value, true)"), setting)


@contextmanager
def _mssql(engine: Engine, lock: Lock) -> Iterator[Connection]:
    """A transaction that holds a lock of SQL Server's until it ends."""
    with engine.begin() as connection:
        take = "EXEC sp_getapplock @Resource = :name, @LockMode = 'Exclusive'"
        connection.execute(text(take), {"name": lock.name})
        yield connection


@contextmanager
def _mysql(engine: Engine, lock: Lock) -> Iterator[Connection]:
    """A transaction within a lock of the connection's, which is given back after the commit.

    Given back earlier, the next process would not yet see the last migration, and run it again.
    """
    with engine.connect() as connection:
        # MySQL's time-outs are the session's. The pool must not hand them to a request later, so
        # the connection is taken out of it and closed at the end.
        connection.detach()
        parameters = {"name": lock.name, "timeout": LOCK_TIMEOUT_S}
        with connection.begin():
            got = connection.scalar(text(f"SELECT GET_LOCK({_MYSQL_LOCK}, :timeout)"), parameters)
        if got != 1:
            raise _others_turn()
        try:
            with connection.begin():
                _set_mysql_timeouts(connection)
                yield connection
        finally:
            release_lock = text(f"SELECT RELEASE_LOCK({_MYSQL_LOCK})")
            connection.execute(release_lock, {"name": lock.name})


def _set_mysql_timeouts(connection: Connection) -> None:
    """Of tables, of rows, of statements; on MySQL itself the last bounds nothing but reads."""
    mariadb = getattr(connection.dialect, "is_mariadb", False)
    statement = (
        f"max_statement_time = {STATEMENT_TIMEOUT_S}"
        if mariadb
        else f"max_execution_time = {int(STATEMENT_TIMEOUT_S * 1000)}"
    )
    connection.exec_driver_sql(
        f"SET SESSION lock_wait_timeout = {TABLE_TIMEOUT_S}, "
        f"SESSION innodb_lock_wait_timeout = {TABLE_TIMEOUT_S}, SESSION {statement}"
    )


@contextmanager
def _sqlite(engine: Engine) -> Iterator[Connection]:
    """A SQLite transaction that takes the write lock at once.

    The driver begins a transaction only before a write, and not at all before DDL (SQLAlchemy,
    "SQLite: Serializable isolation"), so it is told to leave that to us.
    """
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        before = driver.isolation_level  # type: ignore[union-attr]  # sqlite3.Connection
        patience_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
        driver.isolation_level = None  # type: ignore[union-attr]
        try:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_S * 1000}")
            with _turn_awaited():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
        finally:
            # The pool keeps the connection, and a request must not wait as long as a migration.
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience_ms}")
            driver.isolation_level = before  # type: ignore[union-attr]


@contextmanager
def _turn_awaited() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not is_timeout(error):
            raise
        raise _others_turn() from error


def _others_turn() -> SchemaMismatch:
    return SchemaMismatch(
        "The registry is not opened: another process has been migrating or starting for "
        f"{LOCK_TIMEOUT_S} seconds, or has written to the database. Try again when it has ended."
    )
