"""PostgreSQL clusters of a run's own: made, started, killed as a machine dies, and promoted.

Processes are found in /proc: Linux only. Where root runs this, the clusters run as ``postgres``,
because PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

START_S = 60
POLL_S = 0.05


@dataclass
class Cluster:
    """A cluster that runs."""

    port: int
    process: subprocess.Popen[bytes]

    def uri(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str) -> Any:
        """The one value that a statement gives, outside of a transaction."""
        engine = create_engine(self.uri(), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                result = connection.execute(text(statement))
                return result.scalar() if result.returns_rows else None
        finally:
            engine.dispose()

    def wait_for(self, statement: str) -> None:
        """Wait until a statement gives what is true."""
        deadline = time.monotonic() + START_S
        while True:
            with suppress(OperationalError):
                if self.ask(statement):
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"In vain on port {self.port}: {statement}")
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Kill every process of it with SIGKILL, none of which can say or write a word more."""
        os.kill(self.process.pid, signal.SIGSTOP)  # so that it begets no more while it is read
        children = _children(self.process.pid)
        for pid in (self.process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it at once, where it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_S)


def make_primary(folder: Path) -> None:
    """Make the files of an empty cluster."""
    _run("initdb", "-D", str(folder), "-U", "postgres", "-A", "trust", "-E", "UTF8")


def copy_of(primary: Cluster, folder: Path) -> None:
    """Make the files of a standby of a cluster that runs."""
    _run(
        "pg_basebackup",
        "-D",
        str(folder),
        "-d",
        f"host=127.0.0.1 port={primary.port} user=postgres",
    )
    (folder / "standby.signal").touch()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Cluster]:
    """Run a cluster on a free port of 127.0.0.1 until the block ends.

    Args:
        folder: Its files.
        settings: More of those in postgresql.conf.
    """
    port = _free_port()
    own = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    command = [_program("postgres"), "-D", str(folder)]
    for key, value in {**own, **settings}.items():
        command += ["-c", f"{key}={value}"]
    with folder.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **_as_postgres())
    cluster = Cluster(port, process)
    try:
        cluster.wait_for("SELECT true")
        yield cluster
    finally:
        cluster.stop()


def give_to_postgres(folder: Path) -> None:
    """Let the clusters' user write to a folder."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")


def _run(program: str, *arguments: str) -> None:
    command = [_program(program), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **_as_postgres())


def _program(name: str) -> str:
    """The newest of Debian's, which are not on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise SystemExit(f"This machine has no {name}.")
    return path


def _as_postgres() -> dict[str, Any]:
    here = {"cwd": "/"}
    if os.geteuid() != 0:
        return here
    return {**here, "user": "postgres", "group": "postgres", "extra_groups": []}


def _children(parent: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
