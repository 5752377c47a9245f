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
from hokusai_mlflow_plugin.domain.delta import Evidence, Outcome, percentage_points
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction
from hokusai_mlflow_plugin.domain.values import EXACT, plain, stored_value

_BATCH_ROWS = 20_000
_ATTEMPTS = 5
_REASON = (
    "It is the best value found in data from before the plugin, or that was written past it. "
    "Nothing is earned for it."
)


@dataclass
class _Best:
    row: Row[Any]
    direction: Direction


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
    connection: Connection, series: SeriesId, direction: Direction, decided: VersionId
) -> bool:
    """Begin one series with the best value that nothing was decided on yet.

    Such are the values of a metric whose direction nobody had said before.

    Args:
        connection: The connection of the write that begins the series.
        series: It has no head yet.
        direction: As the version says that is being decided on.
        decided: That version, whose own value counts later.

    Returns:
        Whether there was such a value.
    """
    best: _Best | None = None
    for row in past_values.read_undecided(connection, series):
        if (row.name, row.version) == (decided.name, decided.version):
            continue
        if best is None or _is_better(row, best):
            best = _Best(row, direction)
    if best is None:
        return False
    decision = _decision(best, time.time_ns() // 1_000_000)
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
    best: dict[SeriesId, _Best] = {}
    count = 0
    for row in past_values.read_values(connection, workspace, after, last, catalogue):
        count += 1
        series = SeriesId(workspace, row.token_id, row.benchmark_metric)
        known, head = best.get(series), heads.get(series)
        direction = _direction(row, known, head, catalogue)
        if direction is None or (head is not None and row.decision_id is not None):
            continue
        if known is None or _is_better(row, known):
            best[series] = _Best(row, direction)
    now_ms = time.time_ns() // 1_000_000
    new = {series: found for series, found in best.items() if series not in heads}
    decisions = {series: _decision(found, now_ms) for series, found in new.items()}
    rows = [_series(series, found, decisions[series]) for series, found in new.items()]
    past_values.begin_series(connection, rows, list(decisions.values()))
    # Only heads that are beaten are locked: a lock for each of 100,000 series took a minute. In the
    # order in which writers lock them, or the two deadlock.
    for series in sorted(best.keys() & heads.keys()):
        if _beats(best[series], heads[series].head_value):
            _raise(connection, series, best[series], now_ms)
    return count


def _raise(connection: Connection, series: SeriesId, found: _Best, now_ms: int) -> None:
    """Move a head to a better value that was written past the plugin; nothing is paid for it.

    A server may have moved it since it was read.
    """
    head = past_values.lock_head(connection, series)
    if head is None or not _beats(found, head.head_value):
        return
    decision = {
        **_decision(found, now_ms),
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


def _direction(
    row: Row[Any], known: _Best | None, head: Row[Any] | None, catalogue: Catalogue
) -> Direction | None:
    """The direction of a row's series.

    It is the one that the series began with, else the catalogue's, else the first that a tag
    declared; None for a row that says another, or where nobody said one.
    """
    metric = catalogue.get(row.benchmark_metric)
    said = metric.direction.value if metric else row.direction
    begun = head.direction if head is not None else known.direction.value if known else said
    return Direction(said) if said is not None and said == begun else None


def _is_better(row: Row[Any], known: _Best) -> bool:
    return _beats(_Best(row, known.direction), known.row.benchmark_value)


def _beats(found: _Best, other: str) -> bool:
    return _improvement(found, other) > 0


def _improvement(found: _Best, other: str) -> Decimal:
    difference = EXACT.subtract(stored_value(found.row.benchmark_value), stored_value(other))
    return EXACT.multiply(difference, Decimal(found.direction.sign))


def _decision(found: _Best, now_ms: int) -> Mapping[str, Any]:
    row = found.row
    return {
        "workspace": row.workspace,
        "decision_id": str(uuid.uuid4()),
        "name": row.name,
        "version": row.version,
        "creation_time": row.creation_time,
        "token_id": row.token_id,
        "benchmark_metric": row.benchmark_metric,
        "value": plain(stored_value(row.benchmark_value)),
        "outcome": Outcome.BASELINE.value,
        "direction": found.direction.value,
        "reason": _REASON,
        "evidence": Evidence.CLAIMED.value,
        "decided_time": now_ms,
    }


def _series(series: SeriesId, found: _Best, decision: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "workspace": series.workspace,
        "token_id": series.token_id,
        "benchmark_metric": series.benchmark_metric,
        "direction": found.direction.value,
        "baseline_value": decision["value"],
        "head_value": decision["value"],
        "head_decision_id": decision["decision_id"],
    }
