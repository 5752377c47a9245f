"""Heads for data from before the plugin: the best value found, and nothing is paid for it.

Source: R13.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import IntegrityError

from hokusai_mlflow_plugin.db.deltaone import past_values, series_heads
from hokusai_mlflow_plugin.db.index import registry_scan, take_over
from hokusai_mlflow_plugin.db.keys import SeriesId, VersionId
from hokusai_mlflow_plugin.domain.delta import (
    percentage_points,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import (
    Catalogue,
    Direction,
    Metric,
)
from hokusai_mlflow_plugin.services.deltaone.best_values import (
    Best,
    beats,
    extremes,
    improvement_of,
    is_better,
    keep_best,
    past_decision,
    series_row,
)

_BATCH_ROWS = 20_000
_ATTEMPTS = 5


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
        if best is None or is_better(row, best):
            best = Best(row, direction, metric)
    if best is None:
        return False
    decided_on_it = past_values.in_force(connection, best.row)
    decision = past_decision(best, decided_on_it, time.time_ns() // 1_000_000)
    past_values.begin_series(connection, [series_row(series, best, decision)], [decision])
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
            unsaid[series] = extremes(row, unsaid.get(series, []))
            continue
        keep_best(best, series, row, said, head, metric)
    for series in best.keys() & unsaid.keys():
        # What has no direction of its own counts by the series'. Its metric is in no catalogue.
        for row in unsaid[series]:
            keep_best(best, series, row, best[series].direction.value, None, None)
    _write(connection, best, heads)
    return count


def _write(
    connection: Connection, best: Mapping[SeriesId, Best], heads: Mapping[SeriesId, Row[Any]]
) -> None:
    now_ms = time.time_ns() // 1_000_000
    new = {series: found for series, found in best.items() if series not in heads}
    decided = _decided(connection, list(new.values()))
    decisions = {
        series: past_decision(found, decided.get(found.row.decision_id), now_ms)
        for series, found in new.items()
    }
    rows = [series_row(series, found, decisions[series]) for series, found in new.items()]
    past_values.begin_series(connection, rows, list(decisions.values()))
    # Only heads that are beaten are locked: a lock for each of 100,000 series took a minute. In the
    # order in which writers lock them, or the two deadlock.
    for series in sorted(best.keys() & heads.keys()):
        if beats(best[series], heads[series].head_value):
            _raise(connection, series, best[series], now_ms)


def _decided(connection: Connection, found: Sequence[Best]) -> Mapping[str, Row[Any]]:
    """What was decided on some of one workspace's values, by the decision's id."""
    ids = [each.row.decision_id for each in found if each.row.decision_id is not None]
    return past_values.read_decided(connection, found[0].row.workspace, ids) if ids else {}


def _raise(connection: Connection, series: SeriesId, found: Best, now_ms: int) -> None:
    """Move a head to a better value that was written past the plugin; nothing is paid for it.

    A server may have moved it since it was read.
    """
    head = past_values.lock_head(connection, series)
    if head is None or not beats(found, head.head_value):
        return
    decision = {
        # None: where there is a head, only values on which nothing was decided are looked at.
        **past_decision(found, None, now_ms),
        "baseline_decision_id": head.head_decision_id,
        "baseline_value": head.head_value,
        "improvement_pp": percentage_points(improvement_of(found, head.head_value)),
        "falls": head.falls,
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
