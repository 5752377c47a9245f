"""Opening a database in several processes at one moment. Imported by the processes themselves."""

from __future__ import annotations

import logging
import multiprocessing
import traceback
from dataclasses import dataclass, field
from typing import Any

from hokusai_mlflow_plugin.store.registry_store import build_store

_MODULE = __name__
_PATIENCE_S = 240


@dataclass
class Opened:
    """How one process fared."""

    error: str | None = None
    migrations: list[str] = field(default_factory=list)
    """What Alembic said of each migration that this process ran."""


def open_together(database_uri: str, processes: int) -> list[Opened]:
    """Open the plugin's store in processes that wait for each other first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_MODULE])  # one import for all of them
    results: Any = context.SimpleQueue()
    start = context.Barrier(processes)
    openers = [
        context.Process(target=_open, args=(database_uri, start, results), daemon=True)
        for _ in range(processes)
    ]
    for opener in openers:
        opener.start()
    opened = [results.get() for _ in openers]
    for opener in openers:
        opener.join(_PATIENCE_S)
    return opened


def _open(database_uri: str, start: Any, results: Any) -> None:
    opened = Opened()
    try:
        # Alembic's configuration of MLflow's, read at every migration, keeps handlers of its own
        # and levels, but does not silence a filter.
        logging.getLogger("alembic.runtime.migration").addFilter(_Notes(opened.migrations))
        logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
        start.wait(_PATIENCE_S)
        build_store(f"hokusai+{database_uri}")
    except BaseException:
        opened.error = traceback.format_exc()
    results.put(opened)


class _Notes(logging.Filter):
    """Keeps what is logged of migrations."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self._notes = notes

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Running upgrade"):
            self._notes.append(message)
        return True
