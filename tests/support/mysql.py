"""MySQL or MariaDB for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from support.database_base import (
    Holding,
    MissingDatabase,
    ServerDatabases,
    filled_tables,
)

MYSQL_VARIABLE = "HOKUSAI_TEST_MYSQL_URL"
LOCAL_MYSQL = "mysql+pymysql://root@127.0.0.1:3306/"


class MysqlDatabases(ServerDatabases):
    """Databases on MySQL or MariaDB: the named server, else the one on this machine."""

    def __init__(self) -> None:
        self._schemas: dict[Holding, MysqlSchema] = {}
        try:
            super().__init__(os.environ.get(MYSQL_VARIABLE) or LOCAL_MYSQL)
        except MissingDatabase as error:
            raise MissingDatabase(
                f"Set {MYSQL_VARIABLE} or start a server at {LOCAL_MYSQL} ({error})."
            ) from error

    def _schema(self, holding: Holding) -> MysqlSchema:
        if holding not in self._schemas:
            template = self._template(holding)
            with self._admin.connect() as connection:
                self._schemas[holding] = MysqlSchema(connection, template)
        return self._schemas[holding]

    def _clone(self, name: str, holding: Holding) -> None:
        schema = self._schema(holding)
        self._execute(f"CREATE DATABASE {name}")
        with self._admin.connect() as connection:
            schema.create(connection, name)

    def _restore(self, name: str, holding: Holding) -> bool:
        with self._admin.connect() as connection:
            return self._schema(holding).restore(connection, name)

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name}")

    def _disconnect(self, name: str) -> None:
        with self._admin.connect() as connection:
            users = connection.exec_driver_sql(
                f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"
            )
            for (user,) in users.all():
                with suppress(OperationalError):  # it has just ended by itself
                    connection.exec_driver_sql(f"KILL {user}")


class MysqlSchema:
    """The tables of a template database and the rows in them."""

    def __init__(self, connection: Connection, template: str) -> None:
        self._template = template
        self._columns = self._columns_of(connection, template)
        self._tables = sorted({table for table, *_ in self._columns})
        # CREATE TABLE … LIKE would leave the foreign keys out, and with them the cascade by which
        # a rename reaches a model's versions.
        self._statements = [
            str(connection.exec_driver_sql(f"SHOW CREATE TABLE {template}.`{table}`").one()[1])
            for table in self._tables
        ]
        self._filled = filled_tables(connection, template, self._tables)

    def create(self, connection: Connection, name: str) -> None:
        """Make the tables and rows in a database that holds nothing."""
        with self._foreign_keys_unchecked(connection):
            connection.exec_driver_sql(f"USE {name}")
            for statement in self._statements:
                connection.exec_driver_sql(statement)
            self._fill(connection, name)
            connection.exec_driver_sql("USE information_schema")

    def restore(self, connection: Connection, name: str) -> bool:
        """Bring a used database back to the template's state; False where its tables differ."""
        columns = self._columns_of(connection, name)
        added = sorted({table for table, *_ in columns} - set(self._tables))
        if not columns >= self._columns or (columns > self._columns and not added):
            return False
        if self._default_of(connection, name) != self._default_of(connection, self._template):
            return False
        with self._foreign_keys_unchecked(connection):
            for table in added:
                connection.exec_driver_sql(f"DROP TABLE {name}.`{table}`")
            for table in filled_tables(connection, name, self._tables):
                connection.exec_driver_sql(f"TRUNCATE TABLE {name}.`{table}`")
            self._fill(connection, name)
        return not added or self._columns_of(connection, name) == self._columns

    def _fill(self, connection: Connection, name: str) -> None:
        for table in self._filled:
            connection.exec_driver_sql(
                f"INSERT INTO {name}.`{table}` SELECT * FROM {self._template}.`{table}`"
            )

    @staticmethod
    @contextmanager
    def _foreign_keys_unchecked(connection: Connection) -> Iterator[None]:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        try:
            yield
        finally:
            connection.exec_driver_sql("SET foreign_key_checks = 1")

    @staticmethod
    def _columns_of(connection: Connection, name: str) -> set[tuple[Any, ...]]:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, column_type, is_nullable, collation_name "
            f"FROM information_schema.columns WHERE table_schema = '{name}'"
        )
        return set(map(tuple, columns))

    @staticmethod
    def _default_of(connection: Connection, name: str) -> tuple[Any, ...]:
        """Character set and collation of tables that are made without any."""
        found = connection.exec_driver_sql(
            "SELECT default_character_set_name, default_collation_name "
            f"FROM information_schema.schemata WHERE schema_name = '{name}'"
        )
        return tuple(found.one())
