"""The SQL of joining the series of two names of one metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from hokusai_mlflow_plugin.db.keys import SeriesId, of_series
from hokusai_mlflow_plugin.db.schema.tables import decisions, series


def metric_names(connection: Connection) -> Sequence[str]:
    """Every name that series have, in order."""
    return sorted(connection.scalars(select(series.c.benchmark_metric).distinct()))


def series_named(connection: Connection, metric: str) -> Sequence[SeriesId]:
    """Every series of a name, in order."""
    rows = connection.execute(
        select(series.c.workspace, series.c.token_id)
        .where(series.c.benchmark_metric == metric)
        .order_by(series.c.workspace, series.c.token_id)
    )
    return [SeriesId(workspace, token_id, metric) for workspace, token_id in rows]


def head_decision(connection: Connection, key: SeriesId) -> Row[Any] | None:
    """The decision that set a series' head; None where it is gone."""
    query = (
        select(decisions)
        .select_from(
            series.join(
                decisions,
                (decisions.c.workspace == series.c.workspace)
                & (decisions.c.decision_id == series.c.head_decision_id),
            )
        )
        .where(*of_series(series, key))
    )
    return connection.execute(query).one_or_none()
