"""A process that registers rising values into one series until it is told to stop, or is killed.

    python tests/support/racing.py DATABASE_URI NAME

Prints a line when it has begun. It stops when its standard input is closed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from hokusai_mlflow_plugin.store.registry_store import build_store
from support.prepared import PipedProcess
from support.registry import METRIC, VALUE, create_version, token_tags

THREADS = 4


class RacingWriter:
    """Such a process, seen from outside."""

    def __init__(self, database_uri: str, name: str) -> None:
        tests = Path(__file__).parents[1]
        self._process = PipedProcess(
            [str(Path(__file__)), database_uri, name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
        )

    def wait_until_begun(self) -> None:
        assert self._process.stdout.readline() == "begun\n", "it failed: see the output above"

    def kill(self) -> None:
        """End it wherever it is."""
        self._process.process.kill()
        self._process.end()

    def stop(self) -> None:
        """Let it end its last write; all its writes must have succeeded."""
        assert self._process.end() == 0


def _main(database_uri: str, name: str) -> None:
    store = build_store(f"hokusai+{database_uri}")
    stopped = threading.Event()
    failed: list[BaseException] = []
    threads = [
        threading.Thread(target=_write, args=(store, f"{name}-{n}", stopped, failed))
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    print("begun", flush=True)
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _write(store: Any, name: str, stopped: threading.Event, failed: list[BaseException]) -> None:
    """Everybody's values rise with the time, so that they overtake each other."""
    while not stopped.is_set():
        value = f"{(time.time() % 1_000_000) / 20:.6f}"
        tags = token_tags(**{METRIC: "points", VALUE: value, "benchmark_direction": "maximize"})
        try:
            create_version(store, name, tags)
        except MlflowException as error:
            failed.append(error)
            return


if __name__ == "__main__":
    _main(*sys.argv[1:])
