"""The head of a series goes down: where, and the decision that puts it there.

Only a correction lowers a head (R19), or the owner of a value that nothing was measured against
(R10). It goes no lower than the latest DeltaOne that stands, nor than the best value of the
versions that are left, so that nothing is earned for what is there already.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row

from hokusai_mlflow_plugin.db.deltaone import past_values, series_heads
from hokusai_mlflow_plugin.db.deltaone.standing import latest_standing
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.domain.delta import Outcome, improvement, percentage_points
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction, Metric
from hokusai_mlflow_plugin.domain.values import stored_value
from hokusai_mlflow_plugin.services.deltaone.best_values import (
    Best,
    improvement_of,
    is_better,
    past_decision,
)

_STAYS = (Outcome.ACHIEVED.value, Outcome.COPY.value)
"""Outcomes in force that a version keeps when it comes to hold the head."""

GOES_DOWN = "The head goes down "
"""How the reason of a decision begins by which the head falls to a version that did nothing."""

Decided = dict[str, Any]
"""A decision as ``hokusai_decisions`` has it."""


def next_head(
    connection: Connection,
    key: SeriesId,
    head: Row[Any],
    metric: Metric | None,
    without: VersionId | None = None,
) -> Decided | None:
    """The decision that would hold the head if the value that holds it now counted no more.

    Args:
        connection: The connection of the write.
        key: The series.
        head: Its row.
        metric: As the catalogue has it; None where it does not know it.
        without: A version that does not count as it is in the index.

    Returns:
        A new decision, not recorded yet; None where nothing is left.
    """
    direction = Direction(head.direction)
    best = _best_left(connection, key, direction, metric, without)
    standing = latest_standing(connection, key)
    if standing is not None and (best is None or improvement_of(best, standing["value"]) <= 0):
        return carried(dict(standing))
    return None if best is None else _begun_with(connection, best)


def carried(decided: Mapping[str, Any]) -> Decided:
    """A decision that carries the head back to where another one had put it.

    It supersedes itself, as it is in force on nothing.
    """
    decision_id = str(uuid.uuid4())
    columns = {key: value for key, value in decided.items() if key not in ("seal", "event_id")}
    return {
        **columns,
        "decision_id": decision_id,
        "outcome": Outcome.BASELINE.value,
        "supersedes": decision_id,
        "decided_time": time.time_ns() // 1_000_000,
    }


def lower(
    connection: Connection,
    key: SeriesId,
    head: Row[Any],
    decided: Decided,
    reason: str,
    *,
    is_baseline: bool,
    actor: str | None,
) -> Decided:
    """Lower the head of a series to what a decision holds, and record that decision.

    Args:
        connection: The connection of the write; it has the series' row locked.
        key: The series.
        head: Its row.
        decided: Of :func:`next_head` or :func:`carried`.
        reason: Why, in a sentence.
        is_baseline: Whether nothing that was earned in the series stands.
        actor: Whose request lowers it; None where the server has no users.

    Returns:
        The decision as it is recorded.

    Raises:
        ConcurrentWrite: The head has moved.
    """
    falls = (head.falls or 0) + 1
    measured = _measured(head, decided["value"])
    # Not who registered the version that the head goes back to: that one did nothing now.
    row = {**decided, **measured, "reason": reason, "falls": falls, "actor": actor}
    if not series_heads.lower_head(
        connection,
        key,
        head.head_decision_id,
        row["value"],
        row["decision_id"],
        falls,
        is_baseline=is_baseline,
    ):
        raise ConcurrentWrite(f"Series {key.token_id} {key.benchmark_metric} has just moved.")
    past_values.record(connection, [row])
    return row


def is_lower(head: Row[Any], value: str) -> bool:
    """Whether a value is worse than the head of its series."""
    by = improvement(stored_value(value), stored_value(head.head_value), Direction(head.direction))
    return by < 0


def _measured(head: Row[Any], value: str) -> dict[str, Any]:
    by = improvement(stored_value(value), stored_value(head.head_value), Direction(head.direction))
    return {
        "direction": head.direction,
        "baseline_decision_id": head.head_decision_id,
        "baseline_value": head.head_value,
        "improvement_pp": percentage_points(by),
    }


def _best_left(
    connection: Connection,
    key: SeriesId,
    direction: Direction,
    metric: Metric | None,
    without: VersionId | None,
) -> Best | None:
    """The best value of a series' live versions, the oldest of these; a revoked one is none."""
    best: Best | None = None
    for row in past_values.read_live(connection, key):
        is_other = without is None or (row.name, row.version) != (without.name, without.version)
        if not is_other or row.outcome == Outcome.REVOKED.value:
            continue
        if best is None or is_better(row, best):
            best = Best(row, direction, metric)
    return best


def _begun_with(connection: Connection, best: Best) -> Decided:
    decided = past_values.in_force(connection, best.row)
    decision = past_decision(best, decided, time.time_ns() // 1_000_000)
    if best.row.outcome in _STAYS:
        return decision  # it is in force on nothing, and supersedes itself
    return {**decision, "supersedes": best.row.decision_id}
