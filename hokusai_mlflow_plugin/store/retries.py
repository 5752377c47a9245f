"""Trying a write again that lost a race against another.

MLflow reads before it writes and takes no lock (MLflow 3.17). Where another writer changes what
was read, the database ends a deadlock, finds a row there already or not there any more, or the
plugin's own second look does (``services.registry_writes.lock``). All of the write is rolled back
then; it is safe to run it again on what is there now, and better than MLflow's 400 or 503 for a
request with which nothing is wrong.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.orm.exc import StaleDataError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from hokusai_mlflow_plugin.db.transient_errors import is_deadlock
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite

_logger = logging.getLogger(__name__)

WRITES = (
    "create_registered_model",
    "update_registered_model",
    "rename_registered_model",
    "delete_registered_model",
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "create_model_version",
    "update_model_version",
    "transition_model_version_stage",
    "delete_model_version",
    "set_model_version_tag",
    "delete_model_version_tag",
)
"""Methods of MLflow's store that write to the registry, each in one transaction."""

_ATTEMPTS = 6
_PATIENCE_S = 60

C = TypeVar("C", bound=type)
T = TypeVar("T")


def is_lost_race(error: BaseException) -> bool:
    """Whether a write failed because another was faster, and may succeed when begun again."""
    # MLflow's session turns what a database says into errors of its own; the cause still tells a
    # lost race from a wrong request.
    cause = error.__cause__ if isinstance(error, MlflowException) else error
    # PendingRollbackError: after a lost race MLflow 3.10 goes on in the session whose flush failed.
    lost = isinstance(
        cause, (ConcurrentWrite, IntegrityError, PendingRollbackError, StaleDataError)
    )
    return lost or is_deadlock(cause)


def _note(state: RetryCallState) -> None:
    """Say that the error which MLflow may have logged is dealt with; without what users wrote."""
    error = state.outcome.exception() if state.outcome else None
    _logger.warning(
        "%s lost a race (%s) and is begun again after attempt %d of %d.",
        getattr(state.fn, "__name__", "A write"),
        type(getattr(error, "__cause__", None) or error).__name__,
        state.attempt_number,
        _ATTEMPTS,
    )


_again = Retrying(
    retry=retry_if_exception(is_lost_race),
    stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_PATIENCE_S),
    wait=wait_random_exponential(multiplier=0.02, max=1),
    before_sleep=_note,
    reraise=True,
)


def begin_again(change: Callable[[], T]) -> T:
    """Make a change in a transaction of its own, again after each lost race."""
    return _again(change)


def retry_lost_races(store_class: C) -> C:
    """Class decorator: every write of an MLflow store is tried again after a lost race."""
    for name in WRITES:
        setattr(store_class, name, _retried(getattr(store_class, name)))
    return store_class


def _retried(write: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(write)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return _again(write, *args, **kwargs)
        except Exception as error:
            if is_lost_race(error):
                _logger.warning("%s gives up: others were faster each time.", write.__name__)
            raise

    return wrapper
