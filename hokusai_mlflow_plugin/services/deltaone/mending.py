"""An owner mends a value that nothing was measured against: the head follows it down (R10)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import (
    past_decisions,
    past_values,
    series_heads,
    surroundings,
)
from hokusai_mlflow_plugin.db.deltaone.standing import latest_standing
from hokusai_mlflow_plugin.db.deltaone.surroundings import SeriesHead
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.delta import (
    Candidate,
    Outcome,
    Verdict,
    improvement,
    percentage_points,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.domain.values import plain, stored_value
from hokusai_mlflow_plugin.services.deltaone import falling_heads
from hokusai_mlflow_plugin.services.deltaone.best_values import PAST_REASON
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.deltaone.unpaid import STAYING, is_own_head

# As domain.delta.decide() ends the reason of such a decision.
_STAYS_TO_BEAT = (PAST_REASON, *(f": {because}." for because in STAYING))


@dataclass(frozen=True)
class Mended:
    """What became of the head."""

    head: SeriesHead | None
    """That which the version is measured against."""
    verdict: Verdict | None = None
    """On the version, where it holds the head again; else it is decided on as any other."""


def mend(
    connection: Connection,
    judge: Judge,
    series: SeriesId,
    version: Version,
    candidate: Candidate,
    head: SeriesHead,
    decision_id: str,
) -> Mended:
    """Lower the head of a series where the version that holds it takes its value back.

    It falls to the best value that is left, this version's new one included. What was there before
    the plugin, or came in while rewards were off, stays the value to beat: nothing is paid for the
    past (R13). So does what the head fell to, which may be of the past as well: only a version that
    set the head by a write of its own takes it back.

    Args:
        connection: The connection of the write.
        judge: Settings.
        series: The series.
        version: The version; its index row is the one from before the write.
        candidate: Its new value.
        head: The head, as it was read in this transaction.
        decision_id: Of the decision that is being taken.
    """
    unchanged = Mended(head)
    if not is_own_head(version, head) or not _takes_back(candidate, head):
        return unchanged
    row = past_values.lock_head(connection, series)
    stays = past_decisions.has_reason(connection, version, falling_heads.GOES_DOWN, _STAYS_TO_BEAT)
    # Where another writer was faster, it is decided against that one's head.
    if stays or row is None or row.head_decision_id != head.decision_id:
        return unchanged
    metric = judge.settings.catalogue.get(series.benchmark_metric)
    found = falling_heads.next_head(connection, series, row, metric, version.id)
    is_baseline = latest_standing(connection, series) is None
    if found is None or _is_better(candidate, found["value"]):
        if candidate.copy_of is not None:
            return unchanged  # of a version that was revoked: neither has a value that counts
        falls, value = head.falls + 1, plain(candidate.value)
        series_heads.lower_head(
            connection,
            series,
            head.decision_id,
            value,
            decision_id,
            falls,
            is_baseline=is_baseline,
        )
        return Mended(head, _verdict(candidate, head))
    if improvement(stored_value(found["value"]), stored_value(head.value), _way(head)) >= 0:
        return unchanged  # another version has that value, too
    reason = (
        f"{falling_heads.GOES_DOWN}to {found['value']}: the version that held it with {head.value} "
        "was amended, and nothing was measured against that."
    )
    falling_heads.lower(
        connection, series, row, found, reason, is_baseline=is_baseline, actor=judge.actor()
    )
    return Mended(surroundings.read_surroundings(connection, version.id.model, series).head)


def _way(head: SeriesHead) -> Direction:
    return Direction(head.direction)


def _takes_back(candidate: Candidate, head: SeriesHead) -> bool:
    way = _way(head)
    by = improvement(candidate.value, stored_value(head.value), way)
    return candidate.direction is way and by < 0


def _is_better(candidate: Candidate, value: str) -> bool:
    assert candidate.direction is not None  # noqa: S101  # _takes_back() has seen to it
    by = improvement(candidate.value, stored_value(value), candidate.direction)
    return by > Decimal(0)


def _verdict(candidate: Candidate, head: SeriesHead) -> Verdict:
    by = improvement(candidate.value, stored_value(head.value), _way(head))
    reason = (
        f"{candidate.metric} {plain(candidate.value)} takes back {head.value}, which this version "
        f"had before: the head goes down by {percentage_points(by.copy_abs())} percentage points, "
        "because nothing was measured against it."
    )
    return Verdict(Outcome.BASELINE, by, reason)
