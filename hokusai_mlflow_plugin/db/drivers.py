"""Drivers of the supported databases: which there are, which is installed, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sqlalchemy import URL

from hokusai_mlflow_plugin.domain.errors import SettingsError


@dataclass(frozen=True)
class Driver:
    """One driver of a database."""

    name: str
    """As SQLAlchemy spells it in a URI."""
    module: str
    install: str
    """What pip is asked for."""


DRIVERS = {
    "postgresql": (
        Driver("psycopg", "psycopg", "hokusai-mlflow-plugin[postgres]"),
        Driver("psycopg2", "psycopg2", "psycopg2-binary"),
        Driver("pg8000", "pg8000", "pg8000"),
        Driver("psycopg2cffi", "psycopg2cffi", "psycopg2cffi"),
    ),
    "mysql": (
        Driver("pymysql", "pymysql", "hokusai-mlflow-plugin[mysql]"),
        Driver("mysqldb", "MySQLdb", "mysqlclient"),
        Driver("mysqlconnector", "mysql.connector", "mysql-connector-python"),
        Driver("mariadbconnector", "mariadb", "mariadb"),
        Driver("cymysql", "cymysql", "cymysql"),
        Driver("pyodbc", "pyodbc", "pyodbc"),
    ),
    "mssql": (
        Driver("pyodbc", "pyodbc", "pyodbc"),
        Driver("pymssql", "pymssql", "pymssql"),
        Driver("mssqlpython", "mssql_python", "mssql-python"),
    ),
    "sqlite": (
        Driver("pysqlite", "sqlite3", "pysqlite3"),
        Driver("pysqlcipher", "sqlcipher3", "sqlcipher3"),
    ),
}
"""By database; the one that this project's extra installs comes first. MLflow's engines are
synchronous (``create_sqlalchemy_engine``, MLflow 3.17): asynchronous drivers are none of these."""


def require_driver(url: URL) -> None:
    """Refuse a database URI whose driver cannot be used here.

    Raises:
        SettingsError: With what to install, and the URI to write.
        NoSuchModuleError: SQLAlchemy has no such driver.
    """
    dialect = url.get_dialect()
    database = url.get_backend_name()
    if database not in DRIVERS:
        raise SettingsError(
            f"{database} is none of the databases that MLflow takes: {', '.join(DRIVERS)}."
        )
    if dialect.is_async:
        names = ", ".join(driver.name for driver in DRIVERS[database])
        raise SettingsError(
            f"The driver {dialect.driver} is an asynchronous one, which MLflow cannot use. Write "
            f"{_uri(database, DRIVERS[database][0])}; drivers of {database}: {names}."
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:  # also where the driver is there, but not its C library
        raise SettingsError(_missing(url, dialect.driver, error)) from None


def _missing(url: URL, driver_name: str, error: ImportError) -> str:
    """What to install or to write: nobody who wrote ``mysql://`` knows that it means MySQLdb."""
    database = url.get_backend_name()
    lead = f"The database's driver {error.name or driver_name} is not installed"
    others = [driver for driver in DRIVERS[database] if driver.name != driver_name]
    wanted = next((d.install for d in DRIVERS[database] if d.name == driver_name), driver_name)
    for other in others:
        if _is_installed(other):
            return (
                f"{lead}, but {other.module} is: write {_uri(database, other)}. "
                f"Or: pip install '{wanted}'."
            )
    if not others or wanted == DRIVERS[database][0].install:
        return f"{lead}: pip install '{wanted}'."
    return (
        f"{lead}: pip install '{others[0].install}' and write {_uri(database, others[0])}. "
        f"Or: pip install '{wanted}'."
    )


def _is_installed(driver: Driver) -> bool:
    try:
        return find_spec(driver.module) is not None
    except ModuleNotFoundError:  # of a dotted name, the parent
        return False


def _uri(database: str, driver: Driver) -> str:
    return f"{database}+{driver.name}://…"
