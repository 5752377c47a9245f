"""Heads for data from before the plugin: the best value found, and nothing is paid for it.

Source: R13.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import IntegrityError

from hokusai_mlflow_plugin.db.deltaone import past_values, series_heads
from hokusai_mlflow_plugin.db.index import registry_scan, take_over
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.domain.delta import (
    Evidence,
    Outcome,
    improvement,
    percentage_points,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import (
    DEFAULT_THRESHOLD,
    Catalogue,
    Direction,
    Metric,
)
from hokusai_mlflow_plugin.domain.values import plain, stored_value

_BATCH_ROWS = 20_000
_ATTEMPTS = 5
_REASON = (
    "It is the best value that was there when the series began, or that was written past the "
    "plugin. Nothing is earned for it."
)


@dataclass
class Best:
    """The best value of a series that is there already."""

    row: Row[Any]
    """Of the index, with what was decided on it."""
    direction: Direction
    metric: Metric | None


def begin_heads(engine: Engine, catalogue: Catalogue) -> Iterator[int]:
    """Have every series' head at the best value that is indexed, and pay nothing for it.

    A series without a head begins with its best value as baseline; a head is raised to the value of
    a better version on which nothing was decided, because it was written past the plugin.

    Each batch is a transaction of its own; interrupted and run again, it goes on. A metric whose
    direction nobody said gets no head.

    Args:
        engine: The registry's database; its index is complete.
        catalogue: Metrics by name.

    Yields:
        How many index rows were looked at, batch by batch.
    """
    with engine.connect() as connection:
        # Read to its end here: each batch begins a transaction of its own on this connection.
        workspaces = past_values.workspaces(connection)
        connection.rollback()
        for workspace in workspaces:
            after: str | None = ""
            while after is not None:
                after, count = _run_batch(connection, workspace, after, catalogue)
                yield count


def _run_batch(
    connection: Connection, workspace: str, after: str, catalogue: Catalogue
) -> tuple[str | None, int]:
    """One batch: the token that it ends with, and how many rows it had."""
    for attempt in range(1, _ATTEMPTS + 1):
        registry_scan.begin(connection, locking=True)
        try:
            take_over.lock(connection)
            last = past_values.token_after(connection, workspace, after, _BATCH_ROWS)
            count = _begin(connection, workspace, after, last, catalogue)
            connection.commit()
        except IntegrityError:  # a server has just begun one of the series itself
            connection.rollback()
            if attempt == _ATTEMPTS:
                raise
        else:
            return last, count
    raise AssertionError  # the loop returns or raises


def begin_with_past(
    connection: Connection,
    series: SeriesId,
    metric: Metric | None,
    direction: Direction,
    decided: VersionId,
) -> bool:
    """Begin one series with the best value that its live versions hold already.

    Such are the values of a metric whose direction nobody had said before.

    Args:
        connection: The connection of the write that begins the series.
        series: It has no head yet.
        metric: As the catalogue has it; None where it does not know it.
        direction: As the version says that is being decided on.
        decided: That version, whose own value counts later.

    Returns:
        Whether there was such a value.
    """
    best: Best | None = None
    for row in past_values.read_live(connection, series):
        if (row.name, row.version) == (decided.name, decided.version):
            continue
        if best is None or _is_better(row, best):
            best = Best(row, direction, metric)
    if best is None:
        return False
    decision = past_decision(best, time.time_ns() // 1_000_000)
    past_values.begin_series(connection, [_series(series, best, decision)], [decision])
    return True


def raise_heads(
    connection: Connection, catalogue: Catalogue, workspace: str, tokens: Collection[str]
) -> None:
    """Have the heads of these tokens at the best value that is indexed; nothing is earned for it.

    To be called in the transaction of a write that brought versions into the index on which nothing
    was decided (R9).
    """
    for token_id in sorted(tokens):
        _begin(connection, workspace, None, token_id, catalogue)


def _begin(
    connection: Connection,
    workspace: str,
    after: str | None,
    last: str | None,
    catalogue: Catalogue,
) -> int:
    """Begin and raise heads for the tokens after one, up to another; None: for the other alone."""
    heads = past_values.heads(connection, workspace, after, last)
    best: dict[SeriesId, Best] = {}
    unsaid: dict[SeriesId, list[Row[Any]]] = {}
    count = 0
    for row in past_values.read_values(connection, workspace, after, last, catalogue):
        count += 1
        series = SeriesId(workspace, row.token_id, row.benchmark_metric)
        head, metric = heads.get(series), catalogue.get(row.benchmark_metric)
        if head is not None and row.decision_id is not None:
            continue
        said = metric.direction.value if metric else row.direction
        if head is None and said is None:
            unsaid[series] = _extremes(row, unsaid.get(series, []))
            continue
        _add(best, series, row, said, head, metric)
    for series in best.keys() & unsaid.keys():
        for row in unsaid[series]:  # what has no direction of its own counts by the series'
            _add(best, series, row, best[series].direction.value, None, best[series].metric)
    _write(connection, best, heads)
    return count


def _add(
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
    if known is None or _is_better(row, known):
        best[series] = Best(row, Direction(said), metric)


def _extremes(row: Row[Any], known: list[Row[Any]]) -> list[Row[Any]]:
    """The rows with the least and the greatest value so far: the best of them, either way."""
    rows = sorted([*known, row], key=lambda each: stored_value(each.benchmark_value))
    return rows if len(rows) == 1 else [rows[0], rows[-1]]


def _write(
    connection: Connection, best: Mapping[SeriesId, Best], heads: Mapping[SeriesId, Row[Any]]
) -> None:
    now_ms = time.time_ns() // 1_000_000
    new = {series: found for series, found in best.items() if series not in heads}
    decisions = {series: past_decision(found, now_ms) for series, found in new.items()}
    rows = [_series(series, found, decisions[series]) for series, found in new.items()]
    past_values.begin_series(connection, rows, list(decisions.values()))
    # Only heads that are beaten are locked: a lock for each of 100,000 series took a minute. In the
    # order in which writers lock them, or the two deadlock.
    for series in sorted(best.keys() & heads.keys()):
        if _beats(best[series], heads[series].head_value):
            _raise(connection, series, best[series], now_ms)


def _raise(connection: Connection, series: SeriesId, found: Best, now_ms: int) -> None:
    """Move a head to a better value that was written past the plugin; nothing is paid for it.

    A server may have moved it since it was read.
    """
    head = past_values.lock_head(connection, series)
    if head is None or not _beats(found, head.head_value):
        return
    decision = {
        **past_decision(found, now_ms),
        "baseline_decision_id": head.head_decision_id,
        "baseline_value": head.head_value,
        "improvement_pp": percentage_points(_improvement(found, head.head_value)),
    }
    series_heads.move_head(
        connection,
        series,
        head.head_decision_id,
        decision["value"],
        decision["decision_id"],
        earned=False,
    )
    past_values.record(connection, [decision])


def _is_better(row: Row[Any], known: Best) -> bool:
    return _beats(Best(row, known.direction, known.metric), known.row.benchmark_value)


def _beats(found: Best, other: str) -> bool:
    return _improvement(found, other) > 0


def _improvement(found: Best, other: str) -> Decimal:
    return improvement(
        stored_value(found.row.benchmark_value), stored_value(other), found.direction
    )


def past_decision(found: Best, now_ms: int) -> dict[str, Any]:
    """The decision that makes a value of the past the head of its series.

    It takes the place of one that found no direction. Any other that is in force on the version
    stays so, and this one only carries the head: it supersedes itself.
    """
    row, decision_id = found.row, str(uuid.uuid4())
    replaced = row.outcome in (None, Outcome.DIRECTION_UNKNOWN.value)
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
        "reason": _REASON,
        "evidence": row.evidence or Evidence.CLAIMED.value,
        "logged_value": row.logged_value,
        "experiment_id": row.experiment_id,
        "supersedes": row.decision_id if replaced else decision_id,
        "decided_time": now_ms,
        "unit": found.metric.unit if found.metric else None,
        "threshold_pp": percentage_points(threshold),
    }


def _series(series: SeriesId, found: Best, decision: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "workspace": series.workspace,
        "token_id": series.token_id,
        "benchmark_metric": series.benchmark_metric,
        "direction": found.direction.value,
        "baseline_value": decision["value"],
        "head_value": decision["value"],
        "head_decision_id": decision["decision_id"],
    }
