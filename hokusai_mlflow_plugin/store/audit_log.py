"""One line for each refused write and each decision, in the log ``hokusai.registry``.

A line is one JSON object in ASCII, so that no name or tag can break or forge a line. It names the
rules that were broken, never the values that a user wrote. Decisions are logged when their
transaction has been committed: one that was rolled back was never taken.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import event

from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    HokusaiError,
    TagsLocked,
    TagsRefused,
)
from hokusai_mlflow_plugin.services.decisions import Judge
from hokusai_mlflow_plugin.services.indexing import Changes
from hokusai_mlflow_plugin.services.policy import codes_of
from hokusai_mlflow_plugin.store.mlflow_compat import authenticated_user
from hokusai_mlflow_plugin.store.session import HokusaiSession

LOGGER_NAME = "hokusai.registry"
REFUSED = "refused"
DECIDED = "decided"

observers: list[Callable[[str, Mapping[str, Any]], None]] = []
"""Told of every line, such as the counters of the metrics: what happened, and its facts."""

_DECIDED_ROWS = "hokusai_decided"

_logger = logging.getLogger(LOGGER_NAME)


def overheard(session: HokusaiSession) -> Judge:
    """The session's judge, whose decisions are logged once the session has committed."""
    rows: list[Mapping[str, Any]] = session.info.setdefault(_DECIDED_ROWS, [])
    return replace(session.judge, heard=rows.append)


def refused(changes: Changes, error: HokusaiError) -> None:
    """Log a write that was refused for an error; it names what the write touched first."""
    _write(
        REFUSED,
        {
            **_first_touched(changes),
            "outcome": "invalid" if isinstance(error, TagsRefused) else "conflict",
            "rules": _rules(error),
        },
    )


@event.listens_for(HokusaiSession, "after_commit")
def _committed(session: HokusaiSession) -> None:
    for row in session.info.pop(_DECIDED_ROWS, ()):
        _write(
            DECIDED,
            {
                "workspace": row["workspace"],
                "model": row["name"],
                "version": row["version"],
                "token_id": row["token_id"],
                "benchmark_metric": row["benchmark_metric"],
                "outcome": row["outcome"],
                "improvement_pp": row["improvement_pp"],
                "decision_id": row["decision_id"],
            },
        )


@event.listens_for(HokusaiSession, "after_rollback")
def _rolled_back(session: HokusaiSession) -> None:
    session.info.pop(_DECIDED_ROWS, None)


def _rules(error: HokusaiError) -> list[str]:
    """The codes of the rules that a refused write broke."""
    if isinstance(error, (TagsRefused, TagsLocked)):
        return codes_of(error)
    return ["concurrent_write" if isinstance(error, ConcurrentWrite) else "other"]


def _first_touched(changes: Changes) -> dict[str, Any]:
    versions = [created.version.id for created in changes.created] + sorted(changes.retagged)
    if versions:
        first = versions[0]
        return {"workspace": first.workspace, "model": first.name, "version": first.version}
    for model in sorted(changes.retagged_models):
        return {"workspace": model.workspace, "model": model.name, "version": None}
    return {"workspace": None, "model": None, "version": None}


def _write(what: str, facts: Mapping[str, Any]) -> None:
    line = {"event": what, "user": authenticated_user(), **facts}
    _logger.info("%s", json.dumps(line))
    for observer in observers:
        observer(what, facts)
