"""The best value of a series that is there already, and the decision that makes it the head.

Source: R9 and R13.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.delta import (
    Evidence,
    Outcome,
    improvement,
    percentage_points,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import (
    DEFAULT_THRESHOLD,
    Direction,
    Metric,
)
from hokusai_mlflow_plugin.domain.values import plain, stored_value

PAST_REASON = (
    "It is the best value that was there when the series began, or that was written past the "
    "plugin. Nothing is earned for it."
)


@dataclass
class Best:
    """The best value of a series that is there already."""

    row: Row[Any]
    """Of the index."""
    direction: Direction
    metric: Metric | None


def keep_best(
    best: dict[SeriesId, Best],
    series: SeriesId,
    row: Row[Any],
    said: str | None,
    head: Row[Any] | None,
    metric: Metric | None,
) -> None:
    """Keep the best row of a series; one of another direction than the series' does not count.

    That direction is the one that the series began with, else the first that anything said.
    """
    known = best.get(series)
    begun = head.direction if head is not None else known.direction.value if known else said
    if said is None or said != begun:
        return
    if known is None or is_better(row, known):
        best[series] = Best(row, Direction(said), metric)


def extremes(row: Row[Any], known: list[Row[Any]]) -> list[Row[Any]]:
    """The rows with the least and the greatest value so far: the best of them, either way."""
    rows = sorted([*known, row], key=lambda each: stored_value(each.benchmark_value))
    return rows if len(rows) == 1 else [rows[0], rows[-1]]


def is_better(row: Row[Any], known: Best) -> bool:
    """Whether a row's value beats the best one so far."""
    return beats(Best(row, known.direction, known.metric), known.row.benchmark_value)


def beats(found: Best, other: str) -> bool:
    """Whether a value is better, in its series' direction, than another."""
    return improvement_of(found, other) > 0


def improvement_of(found: Best, other: str) -> Decimal:
    """How much better a value is than another, in its series' direction."""
    return improvement(
        stored_value(found.row.benchmark_value), stored_value(other), found.direction
    )


def past_decision(found: Best, decided: Row[Any] | None, now_ms: int) -> dict[str, Any]:
    """The decision that makes a value of the past the head of its series.

    It takes the place of one that found no direction. Any other that is in force on the version
    stays so, and this one only carries the head: it supersedes itself.

    Args:
        found: The value.
        decided: The outcome in force on its version, with its evidence; None where there is none.
        now_ms: The time of the decision.
    """
    row, decision_id = found.row, str(uuid.uuid4())
    outcome = decided.outcome if decided else None
    evidence = decided.evidence if decided else None
    replaced = outcome in (None, Outcome.DIRECTION_UNKNOWN.value)
    threshold = found.metric.threshold if found.metric else DEFAULT_THRESHOLD
    return {
        "workspace": row.workspace,
        "decision_id": decision_id,
        "name": row.name,
        "version": row.version,
        "creation_time": row.creation_time,
        "token_id": row.token_id,
        "benchmark_metric": row.benchmark_metric,
        "value": plain(stored_value(row.benchmark_value)),
        "outcome": Outcome.BASELINE.value,
        "direction": found.direction.value,
        "baseline_decision_id": None,
        "baseline_value": None,
        "improvement_pp": None,
        "reason": PAST_REASON,
        "evidence": evidence or Evidence.CLAIMED.value,
        "logged_value": decided.logged_value if decided else None,
        "experiment_id": decided.experiment_id if decided else None,
        "supersedes": row.decision_id if replaced else decision_id,
        "decided_time": now_ms,
        "unit": found.metric.unit if found.metric else None,
        "threshold_pp": percentage_points(threshold),
    }


def series_row(series: SeriesId, found: Best, decision: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of a series that begins with this value."""
    return {
        "workspace": series.workspace,
        "token_id": series.token_id,
        "benchmark_metric": series.benchmark_metric,
        "direction": found.direction.value,
        "baseline_value": decision["value"],
        "head_value": decision["value"],
        "head_decision_id": decision["decision_id"],
    }
