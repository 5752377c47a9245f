"""Deciding on a tokenised version, in the transaction that makes it one.

Source: R9 and R10. The head of a series moves by compare-and-swap: of two writers that race
in one series, the second sees that the head has moved and decides again, against the new one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import decision_log, paid_runs, series_heads, surroundings
from hokusai_mlflow_plugin.db.deltaone.surroundings import SeriesHead
from hokusai_mlflow_plugin.db.index.live_versions import IndexedAs, Version
from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.domain.delta import (
    Candidate,
    Evidence,
    Head,
    Outcome,
    Verdict,
    decide,
    percentage_points,
)
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
from hokusai_mlflow_plugin.domain.metric_catalogue import DEFAULT_THRESHOLD, Catalogue, Direction
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.values import plain, stored_value
from hokusai_mlflow_plugin.services.deltaone import past_heads
from hokusai_mlflow_plugin.services.deltaone.copies import copy_of
from hokusai_mlflow_plugin.services.deltaone.evidence import (
    Finding,
    find_evidence,
    require_evidence,
)
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.deltaone.mending import Mended, mend
from hokusai_mlflow_plugin.services.deltaone.unpaid import OWN_HEAD, is_own_head, known_elsewhere
from hokusai_mlflow_plugin.settings import Settings

# Each lost swap is another writer's DeltaOne: so many in a row are a fault, not bad luck.
_MAX_SWAPS = 50


@dataclass(frozen=True)
class Decision:
    """A decision that was recorded in this transaction."""

    row: Mapping[str, Any]
    """As ``hokusai_decisions`` has it."""
    head: SeriesHead | None
    """The head that the version was measured against."""

    @property
    def id(self) -> str:
        return str(self.row["decision_id"])

    @property
    def earned_over(self) -> SeriesHead | None:
        """The head over which it is a DeltaOne; None where it is none."""
        return self.head if self.row["outcome"] == Outcome.ACHIEVED.value else None


def decide_version(
    connection: Connection,
    writes: JoinedWrites,
    judge: Judge,
    version: Version,
    tags: TokenTags,
    head: SeriesHead | None,
    unpaid: str | None = None,
) -> Decision:
    """Decide on a version, move the head where it is better, and record the decision.

    Args:
        connection: The connection of the write's transaction.
        writes: What is sent with the rest of the write: the decision.
        judge: Settings and evidence.
        version: The version; its index row, if any, is the one from before this write.
        tags: Its valid token tags.
        head: The head of its series as read in this transaction.
        unpaid: Why it earns nothing whatever its series, or None.

    Raises:
        TagsRefused: Run evidence is required and missing or different.
        DamagedSeries: The decision that set the head is gone.
    """
    value = stored_value(tags.benchmark_value)
    finding = find_evidence(connection, judge, version, tags)
    candidate = _candidate(connection, judge.settings, version, tags, value)
    is_copy = candidate.copy_of is not None
    require_evidence(judge.settings, version, tags, finding, is_copy=is_copy)
    series = SeriesId(version.id.workspace, tags.token_id, tags.benchmark_metric)
    # Before the swap: the head names the decision that set it.
    decision_id = str(uuid.uuid4())
    # Values that are there already begin the series: else the first one to be decided on would, and
    # each of them could be beaten for a reward.
    if head is None and _begin_with_past(connection, judge, series, candidate, version.id):
        head = surroundings.read_surroundings(connection, version.id.model, series).head
    mended = Mended(head)
    if head is not None:
        mended = mend(connection, judge, series, version, candidate, head, decision_id)
    if mended.verdict is not None:
        moved = _Moved(mended.verdict, mended.head, finding, falls=1)
    else:
        moved = _move_head(
            connection, judge, version, tags, candidate, mended.head, finding, decision_id, unpaid
        )
    row = _row(version, tags, candidate, moved, decision_id)
    row["actor"] = judge.actor()
    decision_log.record_decision(writes, row)
    judge.heard(row)
    return Decision(row, moved.head)


@dataclass(frozen=True)
class _Moved:
    """A verdict, and the head that it was measured against and has moved where it does."""

    verdict: Verdict
    head: SeriesHead | None
    finding: Finding
    falls: int = 0
    """How often it lowered the head itself."""


def _move_head(
    connection: Connection,
    judge: Judge,
    version: Version,
    tags: TokenTags,
    candidate: Candidate,
    head: SeriesHead | None,
    finding: Finding,
    decision_id: str,
    unpaid: str | None,
) -> _Moved:
    """Decide, and move the head where it is beaten.

    By compare-and-swap: where another writer has moved the head since it was read, this one decides
    anew against the new head. A verdict on the old one would pay for the same step twice.
    """
    series = SeriesId(version.id.workspace, tags.token_id, tags.benchmark_metric)
    for _swap in range(_MAX_SWAPS):
        because = unpaid or (OWN_HEAD if is_own_head(version, head) else None)
        verdict = _verdict(candidate, head, because)
        if verdict.outcome is Outcome.ACHIEVED and head is not None:
            # From here on nobody else moves a head of this token, in any workspace.
            heads = series_heads.lock_everywhere(connection, series)
            if head.decision_id in {each.decision_id for each in heads}:
                verdict = _verdict(candidate, head, known_elsewhere(head, heads))
                if verdict.outcome is Outcome.ACHIEVED:
                    finding = _take_run(connection, series, finding, decision_id)
                    # A copy achieves nothing.
                    require_evidence(judge.settings, version, tags, finding, is_copy=False)
        if _swap_head(connection, series, candidate, verdict, head, decision_id):
            return _Moved(verdict, head, finding)
        head = surroundings.read_surroundings(connection, version.id.model, series).head
    raise ConcurrentWrite(f"Series {series.token_id} {series.benchmark_metric} is too busy.")


def _verdict(candidate: Candidate, head: SeriesHead | None, unpaid: str | None) -> Verdict:
    return decide(
        replace(candidate, unpaid_because=unpaid), None if head is None else _as_head(head)
    )


def _take_run(
    connection: Connection, series: SeriesId, finding: Finding, decision_id: str
) -> Finding:
    """Have the reward rest on its runs; another decision may have been faster (R14).

    The head cannot be lost any more, so a run that is taken here backs this decision. Of a logged
    model there are two: the one that made it, and the one that evaluated it. Else one run could
    log its value for any number of models, and back a reward for each.
    """
    if finding.evidence is not Evidence.RUN_BACKED or finding.logged is None:
        return finding
    if paid_runs.take(connection, finding.logged.rests_on, series.workspace, decision_id):
        return finding
    return replace(finding, evidence=Evidence.REUSED)


def _begin_with_past(
    connection: Connection,
    judge: Judge,
    series: SeriesId,
    candidate: Candidate,
    version: VersionId,
) -> bool:
    """Begin a series with the best value that is there already; False where there is none."""
    if candidate.direction is None or candidate.copy_of is not None:
        return False
    metric = judge.settings.catalogue.get(series.benchmark_metric)
    return past_heads.begin_with_past(connection, series, metric, candidate.direction, version)


def _swap_head(
    connection: Connection,
    series: SeriesId,
    candidate: Candidate,
    verdict: Verdict,
    head: SeriesHead | None,
    decision_id: str,
) -> bool:
    """Move the head where the verdict does; False where another writer was faster."""
    if not verdict.moves_head:
        return True
    value = plain(candidate.value)
    if head is None:
        assert candidate.direction is not None  # noqa: S101  # decide() has seen to it
        direction = candidate.direction.value
        return series_heads.begin_series(connection, series, direction, value, decision_id)
    earned = verdict.outcome is Outcome.ACHIEVED
    return series_heads.move_head(
        connection, series, head.decision_id, value, decision_id, earned=earned
    )


def _candidate(
    connection: Connection, settings: Settings, version: Version, tags: TokenTags, value: Decimal
) -> Candidate:
    metric = settings.catalogue.get(tags.benchmark_metric)
    return Candidate(
        tags.benchmark_metric,
        value,
        metric.direction if metric else tags.direction,
        metric.threshold if metric else DEFAULT_THRESHOLD,
        metric.unit if metric else None,
        copy_of(connection, settings.catalogue, version, tags, value),
    )


def needs_decision(
    indexed: IndexedAs, tags: TokenTags, catalogue: Catalogue, *, direction_written: bool
) -> bool:
    """Whether a write changed what a decision rests on."""
    return (
        direction_written
        or indexed.token_id != tags.token_id
        or catalogue.canonical(indexed.benchmark_metric) != tags.benchmark_metric
        or stored_value(indexed.benchmark_value) != stored_value(tags.benchmark_value)
    )


def _as_head(head: SeriesHead) -> Head:
    return Head(stored_value(head.value), Direction(head.direction), head.name, head.version)


def _row(
    version: Version,
    tags: TokenTags,
    candidate: Candidate,
    moved: _Moved,
    decision_id: str,
) -> dict[str, Any]:
    verdict, head, finding = moved.verdict, moved.head, moved.finding
    compared = head is not None and verdict.improvement is not None
    return {
        "workspace": version.id.workspace,
        "decision_id": decision_id,
        "name": version.id.name,
        "version": version.id.version,
        "creation_time": version.creation_time_ms,
        "token_id": tags.token_id,
        "benchmark_metric": tags.benchmark_metric,
        "value": plain(candidate.value),
        "outcome": verdict.outcome.value,
        "direction": candidate.direction.value if candidate.direction else None,
        "baseline_decision_id": head.decision_id if compared and head else None,
        "baseline_value": head.value if compared and head else None,
        "improvement_pp": verdict.improvement_pp,
        "reason": verdict.reason,
        "evidence": finding.evidence.value,
        "logged_value": repr(finding.logged.value) if finding.logged else None,
        "experiment_id": finding.logged.experiment_id if finding.logged else None,
        "supersedes": version.indexed.decision_id if version.indexed else None,
        "decided_time": time.time_ns() // 1_000_000,
        "unit": candidate.unit,
        "threshold_pp": percentage_points(candidate.threshold),
        "falls": (head.falls if head else 0) + moved.falls or None,
    }
