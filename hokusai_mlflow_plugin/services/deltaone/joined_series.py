"""Series that exist under two names of one metric, joined into that of its canonical name.

The better head of the two goes on, and nothing is earned for it. The series of the other name, its
decisions and its events stay as they are; no version is decided on in it any more. Source: R8.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from sqlalchemy import Connection, Engine, Row

from hokusai_mlflow_plugin.db.deltaone import decision_log, joined_series, past_values, series_heads
from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.delta import Outcome, improvement, percentage_points
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Metric
from hokusai_mlflow_plugin.domain.values import stored_value


def join_names(engine: Engine, catalogue: Catalogue) -> None:
    """Join every series whose name is another name of a metric, or looks like one.

    Each is a transaction of its own; run again, it changes nothing.
    """
    with engine.connect() as connection:
        for name in joined_series.metric_names(connection):
            metric = catalogue.meant_by(name)
            if metric is None or metric.name == name:
                continue
            keys = joined_series.series_named(connection, name)
            connection.rollback()
            for key in keys:
                registry_scan.begin(connection, locking=True)
                _join(connection, key, metric)
                connection.commit()


def _join(connection: Connection, key: SeriesId, metric: Metric) -> None:
    into = SeriesId(key.workspace, key.token_id, metric.name)
    # Both before either is read: a server may still move the head of a name that is going away.
    series_heads.lock_series(connection, {key, into})
    found = joined_series.head_decision(connection, key)
    if found is None or found.direction != metric.direction.value:
        return
    if not metric.allows(stored_value(found.value)):  # such as a percentage under a similar name
        return
    head = past_values.lock_head(connection, into)
    decision = _carried(found, metric)
    if head is None:
        began = series_heads.begin_series(
            connection, into, decision["direction"], decision["value"], decision["decision_id"]
        )
        if began:
            _record(connection, decision)
        return
    better_by = improvement(
        stored_value(found.value), stored_value(head.head_value), metric.direction
    )
    if head.direction != metric.direction.value or better_by <= 0:
        return
    decision |= {
        "baseline_decision_id": head.head_decision_id,
        "baseline_value": head.head_value,
        "improvement_pp": percentage_points(better_by),
        "falls": head.falls,
    }
    series_heads.move_head(
        connection,
        into,
        head.head_decision_id,
        decision["value"],
        decision["decision_id"],
        earned=False,
    )
    _record(connection, decision)


def _record(connection: Connection, decision: dict[str, Any]) -> None:
    with joined_writes(connection) as writes:
        decision_log.record_decision(writes, decision)


def _carried(found: Row[Any], metric: Metric) -> dict[str, Any]:
    """The decision that carries a head over; it supersedes itself, as it is in force on nothing."""
    decision_id = str(uuid.uuid4())
    return {
        **found._mapping,
        "decision_id": decision_id,
        "benchmark_metric": metric.name,
        "outcome": Outcome.BASELINE.value,
        "baseline_decision_id": None,
        "baseline_value": None,
        "improvement_pp": None,
        "reason": (
            f"{found.benchmark_metric} and {metric.name} are names of one metric: the better head "
            "of their series goes on. Nothing is earned for it."
        ),
        "supersedes": decision_id,
        "falls": None,
        "decided_time": time.time_ns() // 1_000_000,
        "unit": metric.unit,
        "threshold_pp": percentage_points(metric.threshold),
    }
