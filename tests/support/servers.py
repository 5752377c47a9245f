"""Real ``mlflow server`` processes for tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from support import prepared
from support.databases import sqlite_template

_START_SECONDS = 180
_STOP_SECONDS = 20
_POLL_SECONDS = 0.2
Process = prepared.PreparedProcess | subprocess.Popen[bytes]


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    uri: str
    database_uri: str
    process: Process
    log: Path


class ServerStopped(Exception):
    """The server ended by itself before it answered; the message is what it wrote."""


def backend(folder: Path) -> str:
    """URI of the SQLite database of a server in a folder."""
    return f"sqlite:///{_database(folder)}"


def _database(folder: Path) -> Path:
    return folder / "mlflow.db"


@contextmanager
def mlflow_server(
    folder: Path,
    *options: str,
    app_name: str | None = "hokusai",
    registry_uri: str | None = None,
    environ: Mapping[str, str] | None = None,
    health: str = "/health",
    is_first_start: bool = False,
) -> Iterator[Server]:
    """Run ``mlflow server`` on a free port until the block ends; by default with the plugin on.

    Args:
        folder: Where its database and artifacts are.
        options: More options of ``mlflow server``.
        app_name: Its ``--app-name``, if any.
        registry_uri: Its ``--registry-store-uri``; the token-aware store on the backend's
            database where it has our app.
        environ: More environment variables.
        health: The path that answers once it serves.
        is_first_start: Whether it makes its tables itself. It takes as long as all else that a
            start does, so a new database has them otherwise.

    Raises:
        ServerStopped: It ended before it answered.
        TimeoutError: It neither ended nor answered.
    """
    port = _free_port()
    database_uri = backend(folder)
    if registry_uri is None and app_name == "hokusai":
        registry_uri = f"hokusai+{database_uri}"
    path = _database(folder)
    if not (is_first_start or path.exists() or "--backend-store-uri" in options):
        is_ours = registry_uri == f"hokusai+{database_uri}"
        shutil.copyfile(sqlite_template("hokusai" if is_ours else "mlflow"), path)
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", database_uri]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    command += ["--app-name", app_name] if app_name else []
    command += ["--registry-store-uri", registry_uri] if registry_uri else []
    log = folder / "server.log"
    with log.open("wb") as output:
        process = prepared.start(
            [*command, *_workers(options), *options],
            cwd=folder,
            env=_environment(environ or {}),
            stdout=output,
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}{health}", process, log)
        yield Server(f"http://127.0.0.1:{port}", database_uri, process, log)
    finally:
        _stop(process)


def _workers(options: Sequence[str]) -> list[str]:
    return [] if "--workers" in options else ["--workers", "1"]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its own MLflow client's settings."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # no need of its worker processes
    }
    return {**own, **quiet, **more}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, process: Process, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerStopped(log.read_text(errors="replace"))
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:  # nobody listens yet, or nobody answers yet
            pass
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(log.read_text(errors="replace"))


def _stop(process: Process) -> None:
    """End the server and the workers that it started: they are one session."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
