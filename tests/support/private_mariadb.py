"""A MariaDB server of a test's own, with options that the shared one must not have."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import OperationalError

from support.database_base import MissingDatabase

_START_SECONDS = 60
_STOP_SECONDS = 20
_DATABASE = "mlflow"


@contextmanager
def private_mariadb(folder: Path, *options: str) -> Iterator[str]:
    """Run a server on a socket in a folder until the block ends.

    Args:
        folder: Holds the server's files.
        options: More options of ``mariadbd``, such as ``--log-bin``.

    Yields:
        URI of an empty database on it.

    Raises:
        MissingDatabase: This machine has no MariaDB.
    """
    server, install = (
        shutil.which(name, path=_PATH) for name in ("mariadbd", "mariadb-install-db")
    )
    if server is None or install is None:
        raise MissingDatabase("mariadbd and mariadb-install-db are not installed.")
    own = ["--no-defaults", "--user=root", f"--datadir={folder / 'data'}"]
    made = [install, *own, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(made, check=True, capture_output=True)
    # The path of a Unix socket is short: the server is told it relative to its own folder.
    running = [server, *own, "--skip-networking", "--socket=socket", *options]
    with (folder / "mariadb.log").open("wb") as log:
        process = subprocess.Popen(running, cwd=folder, stdout=log, stderr=log)
    try:
        yield _database(folder / "data" / "socket", process, folder / "mariadb.log")
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


def _database(socket: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    url = URL.create("mysql+pymysql", "root", query={"unix_socket": str(socket)})
    deadline = time.monotonic() + _START_SECONDS
    engine = create_engine(url)
    try:
        while True:
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql(f"CREATE DATABASE {_DATABASE}")
                break
            except OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise MissingDatabase(log.read_text(errors="replace")) from error
                time.sleep(0.1)
    finally:
        engine.dispose()
    return url.set(database=_DATABASE).render_as_string(hide_password=False)
