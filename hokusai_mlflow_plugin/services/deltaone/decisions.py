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

from hokusai_mlflow_plugin.db.deltaone import decision_log, series_heads
from hokusai_mlflow_plugin.db.deltaone.series_heads import SeriesHead
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.index.live_versions import IndexedAs, Version
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.domain.delta import (
    Candidate,
    Head,
    Outcome,
    Verdict,
    decide,
)
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
from hokusai_mlflow_plugin.domain.lineage import copied_from
from hokusai_mlflow_plugin.domain.metric_catalogue import DEFAULT_THRESHOLD, Direction
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.values import plain, stored_value
from hokusai_mlflow_plugin.services.deltaone import past_heads
from hokusai_mlflow_plugin.services.deltaone.evidence import (
    Finding,
    find_evidence,
    require_evidence,
)
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.settings import Settings

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
    judge: Judge,
    version: Version,
    tags: TokenTags,
    head: SeriesHead | None,
    *,
    moved: bool = False,
) -> Decision:
    """Decide on a version, move the head where it is better, and record the decision.

    Args:
        connection: The connection of the write's transaction.
        judge: Settings and evidence.
        version: The version; its index row, if any, is the one from before this write.
        tags: Its valid token tags.
        head: The head of its series as read in this transaction.
        moved: Whether it was decided on in another workspace, and then moved here.

    Raises:
        TagsRefused: Run evidence is required and missing or different.
        DamagedSeries: The decision that set the head is gone.
    """
    value = stored_value(tags.benchmark_value)
    finding = find_evidence(connection, judge, version, tags)
    require_evidence(judge.settings, version, tags, finding)
    candidate = _candidate(connection, judge.settings, version, tags, value)
    past = _past(judge, version, moved=moved)
    series = SeriesId(version.id.workspace, tags.token_id, tags.benchmark_metric)
    decision_id = str(uuid.uuid4())
    if head is None and _begin_with_past(connection, series, candidate, version.id):
        head = series_heads.read_surroundings(connection, version.id.model, series).head
    for _swap in range(_MAX_SWAPS):
        unpaid = past or _own_head(version, head)
        verdict = decide(
            replace(candidate, unpaid_because=unpaid), None if head is None else _as_head(head)
        )
        if _swap_head(connection, series, candidate, verdict, head, decision_id):
            break
        surroundings = series_heads.read_surroundings(connection, version.id.model, series)
        head = surroundings.head
    else:
        raise ConcurrentWrite(f"Series {series.token_id} {series.benchmark_metric} is too busy.")
    row = _row(version, tags, candidate, verdict, head, finding, decision_id)
    decision_log.record_decision(connection, row)
    judge.heard(row)
    return Decision(row, head)


def _begin_with_past(
    connection: Connection, series: SeriesId, candidate: Candidate, version: VersionId
) -> bool:
    """Begin a series with the best value that nothing was decided on; False where there is none."""
    if candidate.direction is None or candidate.copy_of is not None:
        return False
    return past_heads.begin_with_past(connection, series, candidate.direction, version)


def _past(judge: Judge, version: Version, *, moved: bool) -> str | None:
    """Why a version earns nothing whatever its series, or None."""
    if version.creation_time_ms < judge.taken_over_ms:
        return "the version is older than the plugin's registry"
    if version.indexed is not None and version.indexed.decision_id is None:
        return "the version was registered or amended past the plugin"
    if moved:
        return "the version was decided on in the workspace that it was moved from"
    return None


def _own_head(version: Version, head: SeriesHead | None) -> str | None:
    """A version that corrects its own value has improved on nobody."""
    if head is None or (head.name, head.version, head.creation_time_ms) != (
        version.id.name,
        version.id.version,
        version.creation_time_ms,
    ):
        return None
    return "the version amends its own value"


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
        _copy_of(connection, version, tags, value),
    )


def _copy_of(
    connection: Connection, version: Version, tags: TokenTags, value: Decimal
) -> str | None:
    """The tokenised version that a version repeats, where it is a copy by R10."""
    origin = copied_from(version.source)
    if origin is None:
        return None
    key = VersionId(version.id.workspace, origin.name, origin.version)
    found = live_versions.read_version(connection, key)
    if key == version.id or found is None or found.indexed is None:
        return None
    if found.creation_time_ms > version.creation_time_ms:
        return None  # a source keeps the name of its time, which another model has taken since
    same = (
        found.indexed.token_id == tags.token_id
        and found.indexed.benchmark_metric == tags.benchmark_metric
        and stored_value(found.indexed.benchmark_value) == value
    )
    return f"{origin.name} version {origin.version}" if same else None


def needs_decision(indexed: IndexedAs | None, tags: TokenTags, *, direction_written: bool) -> bool:
    """Whether a write changed what a decision rests on."""
    if indexed is None:
        return True
    return (
        direction_written
        or indexed.token_id != tags.token_id
        or indexed.benchmark_metric != tags.benchmark_metric
        or stored_value(indexed.benchmark_value) != stored_value(tags.benchmark_value)
    )


def _as_head(head: SeriesHead) -> Head:
    return Head(stored_value(head.value), Direction(head.direction), head.name, head.version)


def _row(
    version: Version,
    tags: TokenTags,
    candidate: Candidate,
    verdict: Verdict,
    head: SeriesHead | None,
    finding: Finding,
    decision_id: str,
) -> dict[str, Any]:
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
        "logged_value": finding.logged,
        "supersedes": version.indexed.decision_id if version.indexed else None,
        "decided_time": time.time_ns() // 1_000_000,
    }
