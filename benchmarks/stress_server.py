"""A real server with several workers, and what kills them.

The server's processes are found in /proc: Linux only.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 300
STOP_S = 30
POLL_S = 0.2


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers that have begun to serve and live."""
        started = re.findall(r"Started server process \[(?:\x1b\[\d+m)*(\d+)", self.text())
        return [int(pid) for pid in started if self._owns(int(pid))]

    def text(self) -> str:
        """What the server and its workers have logged."""
        return self.log.read_text(errors="replace")

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers serve."""
        deadline = time.monotonic() + START_S
        while len(self.workers) < count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.text())
            time.sleep(POLL_S)

    def _owns(self, pid: int) -> bool:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return False
        return os.getsid(pid) == self.process.pid and status[0] != "Z"


@contextmanager
def serving(
    database_uri: str,
    folder: Path,
    *,
    workers: int,
    plugin: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server until the block ends, with the plugin or stock."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(workers)]
    command += ["--backend-store-uri", database_uri]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    if plugin:
        command += ["--app-name", "hokusai", "--registry-store-uri", f"hokusai+{database_uri}"]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**own, **quiet, **(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        server.wait_for_workers(workers)
        _wait_until_healthy(server)
        yield server
    finally:
        _stop(process)


@dataclass
class Killer:
    """Kills a worker now and then, never the last that serves."""

    server: Server
    rng: random.Random
    every_s: float
    kills: list[float] = field(default_factory=list)
    """When a worker was killed, in seconds of the system's clock."""
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill while the block runs."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self.rng.uniform(0.5, 1.5) * self.every_s):
            workers = self.server.workers
            if len(workers) > 1:
                os.kill(self.rng.choice(workers), signal.SIGKILL)
                self.kills.append(time.time())


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5):  # noqa: S310  # http
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise RuntimeError(server.text())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers: they are one session."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(STOP_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
