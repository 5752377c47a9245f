"""One line for each refused write, each that the audit policy let pass, and each decision.

They go to the log ``hokusai.registry``.

A line is one JSON object in ASCII, so that no name or tag can break or forge a line. It names the
rules that were broken, never the values that a user wrote. What is part of a transaction is logged
when that has been committed: a decision that was rolled back was never taken.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import event

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.errors import HokusaiError, TagsLocked, TagsRefused
from hokusai_mlflow_plugin.services.changes import Changes
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.policy.findings import codes_of
from hokusai_mlflow_plugin.store.mlflow_compat.authentication import authenticated_user
from hokusai_mlflow_plugin.store.session import HokusaiSession

LOGGER_NAME = "hokusai.registry"
REFUSED = "refused"
LET_PASS = "let_pass"
DECIDED = "decided"

observers: list[Callable[[str, Mapping[str, Any]], None]] = []
"""Told of every line, such as the counters of the metrics: what happened, and its facts."""

_HEARD = "hokusai_heard"
_OF_DECISION = ("token_id", "benchmark_metric", "outcome", "improvement_pp", "decision_id")

_logger = logging.getLogger(LOGGER_NAME)


def overheard(session: HokusaiSession) -> Judge:
    """The session's judge; what it does is logged once the session has committed."""
    lines: list[tuple[str, Mapping[str, Any]]] = session.info.setdefault(_HEARD, [])

    def heard(decision: Mapping[str, object]) -> None:
        lines.append((DECIDED, {**_place(decision), **{k: decision[k] for k in _OF_DECISION}}))

    def let_pass(key: VersionId, refusal: TagsRefused | TagsLocked) -> None:
        facts = {"outcome": _outcome(refusal), "rules": _rules(refusal)}
        lines.append((LET_PASS, {**_place(asdict(key)), **facts}))

    return replace(session.judge, heard=heard, let_pass=let_pass, actor=authenticated_user)


def refused(changes: Changes, error: HokusaiError) -> None:
    """Log a write that was refused for an error; it names what the write touched first."""
    _write(
        REFUSED,
        {
            **_first_touched(changes),
            "outcome": _outcome(error),
            "rules": _rules(error),
        },
    )


# A line about a transaction waits for its end: MLflow may run a write again that lost a race, and
# what the first run decided was never taken.
@event.listens_for(HokusaiSession, "after_commit")
def _committed(session: HokusaiSession) -> None:
    for what, facts in session.info.pop(_HEARD, ()):
        _write(what, facts)


@event.listens_for(HokusaiSession, "after_rollback")
def _rolled_back(session: HokusaiSession) -> None:
    session.info.pop(_HEARD, None)


def _place(row: Mapping[str, object]) -> dict[str, object]:
    """Where it was; the version is null where it is about the registered model itself."""
    return {
        "workspace": row["workspace"],
        "model": row["name"],
        "version": row["version"] or None,
    }


def _outcome(error: HokusaiError) -> str:
    return "invalid" if isinstance(error, TagsRefused) else "conflict"


def _rules(error: HokusaiError) -> list[str]:
    """The codes of the rules that a refused write broke."""
    return codes_of(error) if isinstance(error, (TagsRefused, TagsLocked)) else ["other"]


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
