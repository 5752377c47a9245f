"""Whether decisions, the heads of series and the token index agree with each other.

Source: R9 and R10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_checks, series_checks
from hokusai_mlflow_plugin.db.rewards import ledger_checks
from hokusai_mlflow_plugin.db.schema.tables import decisions
from hokusai_mlflow_plugin.db.seals import is_sealed
from hokusai_mlflow_plugin.domain.delta import Outcome, improvement, percentage_points
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Code, Found

_Check = tuple[Code, Callable[[Connection, str], Sequence[Any]], str]

_OF_DECISIONS: tuple[_Check, ...] = (
    (
        "event_missing",
        ledger_checks.decisions_without_event,
        "Decision {} is achieved or revoked, but no event stands for it.",
    ),
    (
        "decision_repeated",
        ledger_checks.repeated_decisions,
        "Several events stand for decision {}.",
    ),
    (
        "paid_run_missing",
        ledger_checks.decisions_without_paid_run,
        "Decision {} was paid for what a run logged, and no note says that the run is used up.",
    ),
    (
        "event_missing",
        ledger_checks.corrections_without_event,
        "No event stands for correction {}.",
    ),
    (
        "head_left_twice",
        series_checks.heads_left_twice,
        "Several decisions took the head over from {}.",
    ),
    (
        "baseline_missing",
        series_checks.missing_baselines,
        "Decision {} is gone, or set no head; others name it as theirs.",
    ),
    (
        "baseline_missing",
        series_checks.achieved_against_nothing,
        "Achieved decision {} names none that it was measured against.",
    ),
    (
        "baseline_differs",
        series_checks.decisions_off_their_baseline,
        "Decision {} was measured against another value than it names.",
    ),
    (
        "decision_renamed",
        decision_checks.renamed_decisions,
        "Decision {} has another name than its version, which was never renamed.",
    ),
)
_OF_SERIES: tuple[_Check, ...] = (
    (
        "series_missing",
        series_checks.missing_series,
        "The head of {} {} is gone, its decisions are not.",
    ),
    (
        "direction_differs",
        series_checks.series_off_their_direction,
        "The direction of {} {} is not that of its decisions.",
    ),
    (
        "head_differs",
        series_checks.series_off_their_head,
        "The head of {} {} is not what its last decision made it.",
    ),
    (
        "series_baseline_differs",
        series_checks.series_off_their_baseline,
        "The baseline of {} {} is not the value that its first DeltaOne was measured against.",
    ),
    (
        "indexed_decision_missing",
        decision_checks.unknown_decisions_in_index,
        "Model {} version {}: the decision that the index names is gone, or on another version: "
        "{}.",
    ),
)


def decision_faults(connection: Connection, workspace: str) -> Iterator[Found]:
    """Every fault of a workspace's decisions and series."""
    for code, find, message in _OF_DECISIONS:
        for decision_id in find(connection, workspace):
            yield code, message.format(decision_id)
    for code, find, message in _OF_SERIES:
        for names in find(connection, workspace):
            yield code, message.format(*names)
    for row in decision_checks.read_decisions(connection, workspace):
        yield from _row_faults(row)


def standing_among(connection: Connection, workspace: str, decision_ids: Sequence[str]) -> set[str]:
    """Those achieved decisions that are as they were taken, against the heads that they name."""
    return {
        row["decision_id"]
        for row in decision_checks.read_named(connection, workspace, decision_ids)
        if not any(_row_faults(row))
        and row["against_value"] == row["baseline_value"]
        and row["series_direction"] == row["direction"]
        and row["took_over"] == 1
    }


def _row_faults(row: RowMapping) -> Iterator[Found]:
    decision_id = row["decision_id"]
    if not is_sealed(decisions, row):
        yield "decision_edited", f"Decision {decision_id} does not have the content it was given."
    if not _follows(row) or not _has_fallen_as_often(row):
        message = f"Decision {decision_id}: its outcome does not follow from its values."
        yield "verdict_differs", message
    if row["supersedes"] is not None and row["superseded_id"] is None:
        message = f"Decision {row['supersedes']} is gone, or on another version than the next one."
        yield "superseded_missing", message


def _follows(row: RowMapping) -> bool:
    """Whether a decision's outcome and improvement follow from value, baseline and direction.

    By which threshold it was measured it does not say: an achieved one is better, that is all.
    """
    outcome, against = row["outcome"], row["baseline_value"]
    if against is None:
        first = outcome == Outcome.BASELINE.value and row["direction"] is not None
        uncompared = outcome in (Outcome.DIRECTION_UNKNOWN.value, Outcome.COPY.value)
        return (first or uncompared) and row["improvement_pp"] is None
    try:
        gain = improvement(Decimal(row["value"]), Decimal(against), Direction(row["direction"]))
    except (InvalidOperation, ValueError, TypeError):
        return False
    if row["improvement_pp"] != percentage_points(gain):
        return False
    fits = {
        Outcome.REGRESSED.value: gain < 0,
        Outcome.BELOW_THRESHOLD.value: gain >= 0,
        Outcome.ACHIEVED.value: gain > 0,
        Outcome.REVOKED.value: gain > 0,
        # It goes down where a correction lowered the head.
        Outcome.BASELINE.value: gain > 0 or row["falls"] is not None,
    }
    return fits.get(outcome, False)


def _has_fallen_as_often(row: RowMapping) -> bool:
    """Whether a decision says as often as the head before it that corrections lowered the head.

    Or once more, where it lowered the head itself.
    """
    if row["against_value"] is None:
        return True
    try:
        by = Decimal(row["improvement_pp"])
    except (InvalidOperation, TypeError):
        return False
    lowers = row["outcome"] == Outcome.BASELINE.value and by < 0
    return (row["falls"] or 0) == (row["against_falls"] or 0) + lowers
