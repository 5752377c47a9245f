"""Processes that are killed (SIGKILL) in the middle of their work, at every point in turn.

``KillableProcess`` runs this file as a program that has a task ready and forks for each order, so
that MLflow is imported once. A fork counts the statements that it sends and the transactions that
it commits, and kills itself before the one that it was told: nothing is cleaned up, no rollback is
sent, no lock is given back.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from support.prepared import PipedProcess

Task = Callable[..., None]
"""Does the work, given what the order says."""
Die = Callable[[], None]
"""To be called at each point where the process may be killed."""


class KillableProcess:
    """A process that does a task again and again, and dies where it is told."""

    def __init__(self, process: PipedProcess) -> None:
        self._process = process

    def run(self, kill_at: int | None = None, **order: Any) -> bool:
        """Do the task once.

        Args:
            kill_at: At which point it dies, counted from 1; None for not at all.
            order: What the task is given.

        Returns:
            Whether it came to its end alive.
        """
        self._process.stdin.write(json.dumps({"kill_at": kill_at, "order": order}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer in ("alive", "killed"), "the task failed: see the output above"
        return answer == "alive"


@contextmanager
def killable(prepare: str, *arguments: str) -> Iterator[KillableProcess]:
    """Start a process that prepares a task and waits for orders.

    Args:
        prepare: ``module:function`` of a function that takes ``die`` and the arguments, and
            returns the engine to watch, None where the task itself says when to die, and the task.
        arguments: For the function.
    """
    tests = Path(__file__).parents[1]
    process = PipedProcess(
        [str(Path(__file__)), prepare, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
    )
    try:
        yield KillableProcess(process)
    finally:
        process.end()


def _main() -> None:
    point = _Point()
    module, function = sys.argv[1].split(":")
    prepare = getattr(importlib.import_module(module), function)
    engine, task = prepare(point.passed, *sys.argv[2:])
    if engine is not None:
        event.listen(engine, "before_cursor_execute", lambda *_: point.passed())
        event.listen(engine, "commit", lambda *_: point.passed())
        engine.dispose()
    for line in sys.stdin:
        print(_run(point, engine, task, **json.loads(line)), flush=True)


def _run(point: _Point, engine: Engine | None, task: Task, kill_at: int | None, order: Any) -> str:
    child = os.fork()
    if child == 0:
        if engine is not None:
            engine.dispose(close=False)
        point.last = kill_at
        try:
            task(**order)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    return "alive" if os.WEXITSTATUS(status) == 0 else "failed"


class _Point:
    """How many points a fork has passed."""

    def __init__(self) -> None:
        self.last: int | None = None
        self._count = 0

    def passed(self) -> None:
        if self.last is None:
            return
        self._count += 1
        if self._count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _main()
