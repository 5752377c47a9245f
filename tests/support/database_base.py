"""What makes and drops databases for tests, whatever their kind."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from functools import cached_property

from mlflow.store.db.utils import _initialize_tables
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import OperationalError

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


class MissingDatabase(Exception):
    """This machine has no server of that kind; the message says what to do."""


class Databases(ABC):
    """Makes and drops databases of one kind."""

    @abstractmethod
    def create(self, *, empty: bool = False) -> str:
        """URI of a new database that holds MLflow's schema, or nothing at all."""

    @abstractmethod
    def drop(self, uri: str) -> None:
        """Remove a database; whoever is still connected to it is disconnected."""

    @abstractmethod
    def close(self) -> None:
        """Remove whatever is left."""


class ServerDatabases(Databases):
    """Databases on a server, made over a connection that belongs to none of them."""

    def __init__(self, admin_uri: str | URL) -> None:
        url = make_url(admin_uri)
        self._admin_url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        self._admin: Engine = create_engine(self._admin_url, isolation_level="AUTOCOMMIT")
        self._live: set[str] = set()
        try:
            self._admin.connect().close()
        except OperationalError as error:
            raise MissingDatabase(str(error.orig)) from error

    def create(self, *, empty: bool = False) -> str:
        name = new_name()
        if empty:
            self._execute(f"CREATE DATABASE {name}")
        else:
            self._clone(name)
        self._live.add(name)
        return self._uri(name)

    def drop(self, uri: str) -> None:
        name = str(make_url(uri).database)
        self._drop(name)
        self._live.discard(name)

    def close(self) -> None:
        for name in sorted(self._live):
            self._drop(name)
        self._live.clear()
        self._admin.dispose()

    @cached_property
    def _template(self) -> str:
        """Name of the database that the others are copied from."""
        uri = self.create(empty=True)
        create_mlflow_schema(uri)
        return str(make_url(uri).database)

    def _uri(self, name: str) -> str:
        return self._admin_url.set(database=name).render_as_string(hide_password=False)

    def _execute(self, *statements: str) -> None:
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    @abstractmethod
    def _clone(self, name: str) -> None:
        """Copy the template to a new database."""

    @abstractmethod
    def _drop(self, name: str) -> None:
        """Drop a database by its name."""


def new_name() -> str:
    """A database name that no other test run uses."""
    return f"hokusai_test_{uuid.uuid4().hex[:16]}"


def create_mlflow_schema(uri: str) -> None:
    """Make MLflow's tables in an empty database."""
    engine = create_engine(uri)
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()
