"""How ``mlflow server`` starts: it opens its stores, then runs a web server as a child."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Engine

from hokusai_mlflow_plugin.db.schema import migrations

_ASKED_TO_STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stores_opened_alone(engine: Engine | None) -> Iterator[None]:
    """While the block runs, let MLflow open a server's stores by one process at a time.

    MLflow makes its tables and the default experiment without a lock (``SqlAlchemyStore``, MLflow
    3.17): of two servers that start together on an empty database the second one would fail.

    Args:
        engine: On the registry's database; None where there is nothing yet to lock in.
    """
    from mlflow.server import handlers

    unlocked = handlers.initialize_backend_stores

    def locked(*args: Any, **kwargs: Any) -> Any:
        # Another lock than that of our migrations, which is taken in here on other connections.
        with nullcontext() if engine is None else migrations.starting_alone(engine):
            opened = unlocked(*args, **kwargs)
        if engine is not None:
            engine.dispose()  # nothing of the database stays open beside the web server
        return opened

    handlers.initialize_backend_stores = locked
    try:
        yield
    finally:
        handlers.initialize_backend_stores = unlocked


@contextmanager
def web_server() -> Iterator[Callable[[], int]]:
    """Watch the web server that MLflow starts while the block runs.

    Yields:
        What tells the exit status afterwards: 0 where no server was started, or where it was asked
        to stop; 128 and the signal, as a shell has it, where another signal ended it.
    """
    from mlflow import server

    unwatched = server._exec_cmd
    started: list[subprocess.Popen[bytes]] = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        process = unwatched(*args, **kwargs)
        started.append(process)
        return process

    def status() -> int:
        code = started[0].poll() if started else None
        if code is None or -code in _ASKED_TO_STOP:
            return 0
        return code if code > 0 else 128 - code

    server._exec_cmd = watched
    try:
        yield status
    finally:
        server._exec_cmd = unwatched
