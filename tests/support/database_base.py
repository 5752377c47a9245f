"""What makes and drops databases for tests, whatever their kind."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from mlflow.store.db.utils import _initialize_tables
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.services.index import backfill
from hokusai_mlflow_plugin.settings import Settings

Holding = Literal["nothing", "mlflow", "hokusai"]
"""What a new database holds: no table, MLflow's, or ours too, as an opened store leaves them."""

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


class MissingDatabase(Exception):
    """This machine has no server of that kind; the message says what to do."""


class Databases(ABC):
    """Makes and drops databases of one kind."""

    @abstractmethod
    def create(self, holding: Holding = "hokusai") -> str:
        """URI of a new database."""

    @abstractmethod
    def drop(self, uri: str) -> None:
        """Remove a database; whoever is still connected to it is disconnected."""

    @abstractmethod
    def close(self) -> None:
        """Remove whatever is left."""


class ServerDatabases(Databases):
    """Databases on a server, made over a connection that belongs to none of them.

    To make one takes longer than most tests, so one that a test is done with is brought back to
    its first state and used again, and where that cannot be done its name is (``dispose_engines``).
    """

    def __init__(self, admin_uri: str | URL) -> None:
        url = make_url(admin_uri)
        self._admin_url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        self._admin: Engine = create_engine(self._admin_url, isolation_level="AUTOCOMMIT")
        self._live: dict[str, Holding] = {}
        self._templates: dict[Holding, str] = {}
        self._restored: dict[Holding, list[str]] = {}
        self._dropped: list[str] = []
        try:
            self._admin.connect().close()
        except OperationalError as error:
            raise MissingDatabase(str(error.orig)) from error

    def create(self, holding: Holding = "hokusai") -> str:
        if restored := self._restored.get(holding):
            name = restored.pop()
        else:
            name = self._dropped.pop() if self._dropped else new_name()
            if holding == "nothing":
                self._execute(f"CREATE DATABASE {name}")
            else:
                self._clone(name, holding)
        self._live[name] = holding
        return self._uri(name)

    def drop(self, uri: str) -> None:
        name = str(make_url(uri).database)
        holding = self._live[name]
        self._disconnect(name)
        try:
            is_new = holding != "nothing" and self._restore(name, holding)
        except SQLAlchemyError:  # whatever a test left there
            is_new = False
        if is_new:
            self._restored.setdefault(holding, []).append(name)
        else:
            self._drop(name)
            self._dropped.append(name)
        del self._live[name]

    def close(self) -> None:
        for name in [*self._live, *(name for names in self._restored.values() for name in names)]:
            self._drop(name)
        self._admin.dispose()

    def _template(self, holding: Holding) -> str:
        """Name of the database that the others are copied from."""
        if holding not in self._templates:
            uri = self.create("nothing")
            create_schema(uri, holding)
            self._templates[holding] = str(make_url(uri).database)
        return self._templates[holding]

    def _uri(self, name: str) -> str:
        return self._admin_url.set(database=name).render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    @abstractmethod
    def _clone(self, name: str, holding: Holding) -> None:
        """Copy a template to a new database."""

    @abstractmethod
    def _disconnect(self, name: str) -> None:
        """End the connections to a database: their locks would block what comes next."""

    @abstractmethod
    def _restore(self, name: str, holding: Holding) -> bool:
        """Bring a used database back to its template's state; False where its tables differ."""

    @abstractmethod
    def _drop(self, name: str) -> None:
        """Drop a database by its name."""


def filled_tables(connection: Connection, schema: str, tables: Sequence[str]) -> list[str]:
    """Those of the tables that have rows."""
    asked = [
        f"SELECT {number}, EXISTS (SELECT 1 FROM {schema}.{table})"
        for number, table in enumerate(tables)
    ]
    found = connection.exec_driver_sql(" UNION ALL ".join(asked))
    return [tables[number] for number, has_rows in found if has_rows]


def new_name() -> str:
    """A database name that no other test run uses."""
    return f"hokusai_test_{uuid.uuid4().hex[:16]}"


def create_schema(uri: str, holding: Holding) -> None:
    """Make MLflow's tables in an empty database, and ours where it is to hold them."""
    engine = create_engine(uri)
    try:
        _initialize_tables(engine)
        if holding == "hokusai":
            migrations.upgrade(engine)
            backfill.open_registry(engine, Settings())
    finally:
        engine.dispose()
