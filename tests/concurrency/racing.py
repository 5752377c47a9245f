"""Two writes that have both read the registry before either of them changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from sqlalchemy import event

from hokusai_mlflow_plugin.store.session import HokusaiSession

Write = Callable[[], Any]
DONE = "DONE"
REFUSED = "INVALID_PARAMETER_VALUE"
NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"

_PATIENCE_S = 60


def race(*writes: Write) -> list[str]:
    """Run writes at once, the worst way round: each has read all it reads before any flushes.

    Returns:
        For each write ``DONE``, or MLflow's error code.
    """
    with _meeting_before_first_flush(len(writes)), ThreadPoolExecutor(len(writes)) as threads:
        return list(threads.map(_outcome, writes))


def _outcome(write: Write) -> str:
    try:
        write()
    except MlflowException as error:
        return str(error.error_code)
    return DONE


@contextmanager
def _meeting_before_first_flush(parties: int) -> Iterator[None]:
    """Every thread's first flush waits for that of the others, before the plugin hears of it."""
    meeting = threading.Barrier(parties)
    met = threading.local()

    def wait(session: HokusaiSession, *_: object) -> None:
        changed = session.new or session.deleted or any(map(session.is_modified, session.dirty))
        if changed and not getattr(met, "already", False):
            met.already = True
            meeting.wait(_PATIENCE_S)

    event.listen(HokusaiSession, "before_flush", wait, insert=True)
    try:
        yield
    finally:
        event.remove(HokusaiSession, "before_flush", wait)
