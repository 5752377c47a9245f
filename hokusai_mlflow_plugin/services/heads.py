"""Heads for data from before the plugin: the best value found, and nothing is paid for it.

Source: design R13.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row

from hokusai_mlflow_plugin.db import backfill_sql, index_scan
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.delta import Evidence, Outcome
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction
from hokusai_mlflow_plugin.domain.values import parse_benchmark_value, plain

_BATCH_ROWS = 20_000
_REASON = "It is the best value found when the registry took over data from before the plugin."


@dataclass
class _Best:
    row: Row[Any]
    direction: Direction


def begin_heads(engine: Engine, catalogue: Catalogue) -> Iterator[int]:
    """Begin every series that has indexed versions but no head, with its best value as baseline.

    Each batch is a transaction of its own; interrupted and run again, it goes on. A metric whose
    direction nobody said gets no head.

    Args:
        engine: The registry's database; its index is complete.
        catalogue: Metrics by name.

    Yields:
        How many index rows were looked at, batch by batch.
    """
    with engine.connect() as connection:
        workspaces = backfill_sql.workspaces(connection)
        connection.rollback()
        for workspace in workspaces:
            after: str | None = ""
            while after is not None:
                index_scan.begin(connection, locking=True)
                backfill_sql.lock(connection)
                last = backfill_sql.token_after(connection, workspace, after, _BATCH_ROWS)
                yield _begin(connection, workspace, after, last, catalogue)
                connection.commit()
                after = last


def _begin(
    connection: Connection, workspace: str, after: str, last: str | None, catalogue: Catalogue
) -> int:
    best: dict[SeriesId, _Best] = {}
    count = 0
    for row in backfill_sql.read_values(connection, workspace, after, last, catalogue):
        count += 1
        series = SeriesId(workspace, row.token_id, row.benchmark_metric)
        direction = _direction(row, best.get(series), catalogue)
        if direction is None:
            continue
        known = best.get(series)
        if known is None or _is_better(row, known):
            best[series] = _Best(row, direction)
    begun = backfill_sql.existing_series(connection, workspace, after, last)
    new = {series: found for series, found in best.items() if series not in begun}
    now_ms = time.time_ns() // 1_000_000
    decisions = {series: _decision(found, now_ms) for series, found in new.items()}
    rows = [_series(series, found, decisions[series]) for series, found in new.items()]
    backfill_sql.begin_series(connection, rows, list(decisions.values()))
    return count


def _direction(row: Row[Any], known: _Best | None, catalogue: Catalogue) -> Direction | None:
    """The direction of a row's series: the catalogue's, else the first that a tag declared."""
    if metric := catalogue.get(row.benchmark_metric):
        return metric.direction
    if row.direction is None:
        return None
    declared = Direction(row.direction)
    return declared if known is None or known.direction is declared else None


def _is_better(row: Row[Any], known: _Best) -> bool:
    value = parse_benchmark_value(row.benchmark_value)
    best = parse_benchmark_value(known.row.benchmark_value)
    assert value is not None  # noqa: S101  # the index holds valid values only
    assert best is not None  # noqa: S101
    return value > best if known.direction is Direction.MAXIMIZE else value < best


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
        "value": _plain(row.benchmark_value),
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


def _plain(text: str) -> str:
    value = parse_benchmark_value(text)
    assert value is not None  # noqa: S101  # the index holds valid values only
    return plain(value)
