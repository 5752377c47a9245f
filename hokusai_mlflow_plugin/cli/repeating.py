"""Commands that nobody watches: they look again and again, and wait for a database that is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

from hokusai_mlflow_plugin.cli.output import database_failure, masked

_logger = logging.getLogger(__name__)
_MAX_BACK_OFF_S = 30.0


def repeat(work: Callable[[], object], interval_s: float) -> NoReturn:
    """Do some work for ever, with a pause between; what the database fails at is done later."""
    failures = 0
    while True:
        wait_s = interval_s
        try:
            work()
            failures = 0
        # A database that restarts must not end a process that nobody watches; the waits grow, so
        # that many of them do not keep it from coming up.
        except SQLAlchemyError as error:
            wait_s = back_off_s(failures)
            failures += 1
            reason = masked(" ".join(database_failure(error).split())).rstrip(".")
            _logger.warning("%s. Next look in %g seconds.", reason, wait_s)
        time.sleep(wait_s)


def back_off_s(failures: int) -> float:
    """How long to wait after so many failures before this one: 1, 2, 4, … up to 30 seconds."""
    return min(_MAX_BACK_OFF_S, 2.0 ** min(failures, 10))
