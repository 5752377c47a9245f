"""Databases for tests: each serves one test, and holds its tables from the start.

MLflow needs more than a second to create its tables, our migrations another. It is done once per
database server, and every test gets a copy of the result.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import make_url

from support.database_base import Databases, Holding, MissingDatabase, create_schema, new_name
from support.mysql import MysqlDatabases
from support.postgres import PostgresDatabases

REQUIRE_VARIABLE = "HOKUSAI_TEST_REQUIRE_DATABASES"


@cache
def _template_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hokusai-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sqlite_template(holding: Holding) -> Path:
    """A SQLite file to copy; it is there until the databases are closed, or this process ends."""
    path = _template_folder() / f"{holding}.db"
    if not path.exists():
        create_schema(f"sqlite:///{path}", holding)
    return path


class SqliteDatabases(Databases):
    """Files in a temporary folder, copied; a name is used again (``dispose_engines``)."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hokusai-sqlite-"))
        self._free: list[Path] = []

    def create(self, holding: Holding = "hokusai") -> str:
        path = self._free.pop() if self._free else self._folder / f"{new_name()}.db"
        if holding != "nothing":
            shutil.copyfile(sqlite_template(holding), path)
        return f"sqlite:///{path}"

    def drop(self, uri: str) -> None:
        path = Path(str(make_url(uri).database))
        for file in self._folder.glob(f"{path.name}*"):
            file.unlink()
        self._free.append(path)

    def close(self) -> None:
        shutil.rmtree(self._folder)


KINDS: dict[str, type[Databases]] = {
    "sqlite": SqliteDatabases,
    "postgresql": PostgresDatabases,
    "mysql": MysqlDatabases,
}


class AllDatabases:
    """Databases of every kind; a server is looked for when a test first needs it."""

    def __init__(self) -> None:
        self._found: dict[str, Databases | MissingDatabase] = {}

    def of(self, kind: str) -> Databases:
        """The databases of one kind; where this machine has none, the test is skipped or fails."""
        if kind not in self._found:
            try:
                self._found[kind] = KINDS[kind]()
            except MissingDatabase as error:
                self._found[kind] = error
        found = self._found[kind]
        if isinstance(found, MissingDatabase):
            give_up(kind, found)
        return found

    def close(self) -> None:
        """Remove every database that was made, and stop what was started."""
        for databases in self._found.values():
            if isinstance(databases, Databases):
                databases.close()
        # Not at the exit alone: processes of 'make mutate' end without one.
        shutil.rmtree(_template_folder())
        _template_folder.cache_clear()


def give_up(what: str, reason: object) -> NoReturn:
    """Skip a test for want of something on this machine; in CI it fails."""
    report = pytest.fail if _required() else pytest.skip
    report(f"No {what} for the tests. {reason}")


def _required() -> bool:
    return os.environ.get(REQUIRE_VARIABLE, "").lower() in ("1", "true")
