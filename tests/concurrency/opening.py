"""Opening a database in several processes at one moment. Imported by the processes themselves."""

from __future__ import annotations

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hokusai_mlflow_plugin.store.registry_store import build_store

_PATIENCE_S = 240
_start: Any = None


def open_together(database_uri: str, processes: int) -> list[str]:
    """Open the plugin's store in processes that wait for each other first.

    Returns:
        What Alembic said of each migration that any of them ran.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([build_store.__module__])  # one import for all of them
    start = context.Barrier(processes)
    with ProcessPoolExecutor(processes, context, _prepare, (start,)) as pool:
        opened = pool.map(_open, [database_uri] * processes, timeout=_PATIENCE_S)
        return [migration for migrations in opened for migration in migrations]


def _prepare(start: Any) -> None:
    global _start  # noqa: PLW0603  # a barrier is only inherited, never sent with a task
    _start = start


def _open(database_uri: str) -> list[str]:
    notes = _Notes()
    logger = logging.getLogger("alembic.runtime.migration")
    logger.addFilter(notes)
    logger.setLevel(logging.INFO)
    _start.wait(_PATIENCE_S)
    build_store(f"hokusai+{database_uri}")
    return notes.migrations


class _Notes(logging.Filter):
    """Keeps what is logged of migrations; MLflow's logging configuration leaves filters alone."""

    def __init__(self) -> None:
        super().__init__()
        self.migrations: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Running upgrade"):
            self.migrations.append(message)
        return True
