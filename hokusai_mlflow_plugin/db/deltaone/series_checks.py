"""The SQL with which series and their decisions are checked against each other.

Every check is one statement, so that it sees one state of the database: writers go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    func,
    null,
    or_,
    select,
    union_all,
)

from hokusai_mlflow_plugin.db.deltaone.decision_log import IS_ACHIEVED
from hokusai_mlflow_plugin.db.deltaone.standing import is_revoked
from hokusai_mlflow_plugin.db.schema.tables import (
    decisions,
    series,
)
from hokusai_mlflow_plugin.domain.delta import SETS_HEAD
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction

_FETCH = 5_000

SeriesKey = tuple[str, str]
"""Token and metric."""

_IS_HEAD = decisions.c.outcome.in_(SETS_HEAD)
_IN_SERIES = and_(
    series.c.workspace == decisions.c.workspace,
    series.c.token_id == decisions.c.token_id,
    series.c.benchmark_metric == decisions.c.benchmark_metric,
)


def heads_left_twice(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of decisions from which more than one other took the head over, in order."""
    query = (
        select(decisions.c.baseline_decision_id)
        .where(
            decisions.c.workspace == workspace,
            decisions.c.baseline_decision_id.is_not(None),
            _IS_HEAD,
        )
        .group_by(decisions.c.baseline_decision_id)
        .having(func.count() > 1)
        .order_by(decisions.c.baseline_decision_id)
    )
    return [str(each) for each in connection.scalars(query)]


def missing_baselines(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids that decisions say they were measured against, of no head of their series, in order."""
    against = decisions.alias()
    query = (
        select(decisions.c.baseline_decision_id)
        .select_from(decisions.outerjoin(against, _measured_against(against)))
        .where(
            decisions.c.workspace == workspace,
            decisions.c.baseline_decision_id.is_not(None),
            against.c.decision_id.is_(None),
        )
        .distinct()
    )
    return sorted(str(each) for each in connection.scalars(query))


def achieved_against_nothing(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of achieved decisions that name none that they were measured against, in order."""
    query = (
        select(decisions.c.decision_id)
        .where(
            decisions.c.workspace == workspace,
            IS_ACHIEVED,
            decisions.c.baseline_decision_id.is_(None),
        )
        .order_by(decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def decisions_off_their_baseline(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of head-setting decisions whose baseline's value is not what it decided, in order."""
    against = decisions.alias()
    query = (
        select(decisions.c.decision_id)
        .select_from(decisions.join(against, _measured_against(against)))
        .where(
            decisions.c.workspace == workspace,
            _IS_HEAD,
            _differ(decisions.c.baseline_value, against.c.value),
        )
        .order_by(decisions.c.decided_time, decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def missing_series(connection: Connection, workspace: str) -> Sequence[SeriesKey]:
    """Token and metric of series that decisions have set a head of, and that are gone, in order."""
    query = (
        select(decisions.c.token_id, decisions.c.benchmark_metric)
        .select_from(decisions.outerjoin(series, _IN_SERIES))
        .where(decisions.c.workspace == workspace, _IS_HEAD, series.c.token_id.is_(None))
        .distinct()
        .order_by(decisions.c.token_id, decisions.c.benchmark_metric)
    )
    return [(token_id, metric) for token_id, metric in connection.execute(query)]


def series_off_their_direction(connection: Connection, workspace: str) -> Sequence[SeriesKey]:
    """Token and metric of series with another direction than a decision on a head, in order."""
    query = (
        select(series.c.token_id, series.c.benchmark_metric)
        .select_from(decisions.join(series, _IN_SERIES))
        .where(
            decisions.c.workspace == workspace,
            _IS_HEAD,
            _differ(decisions.c.direction, series.c.direction),
        )
        .distinct()
        .order_by(series.c.token_id, series.c.benchmark_metric)
    )
    return [(token_id, metric) for token_id, metric in connection.execute(query)]


def series_off_their_head(connection: Connection, workspace: str) -> Sequence[SeriesKey]:
    """Token and metric of series whose head is not what the last decision made it, in order."""
    made_it = _exists(
        _IN_SERIES,
        decisions.c.decision_id == series.c.head_decision_id,
        decisions.c.value == series.c.head_value,
        func.coalesce(decisions.c.falls, 0) == func.coalesce(series.c.falls, 0),
        _IS_HEAD,
    )
    left_it = _exists(
        _IN_SERIES, decisions.c.baseline_decision_id == series.c.head_decision_id, _IS_HEAD
    )
    query = (
        select(series.c.token_id, series.c.benchmark_metric)
        .where(series.c.workspace == workspace, or_(~made_it, left_it))
        .order_by(series.c.token_id, series.c.benchmark_metric)
    )
    return [(token_id, metric) for token_id, metric in connection.execute(query)]


def series_off_their_baseline(connection: Connection, workspace: str) -> Sequence[SeriesKey]:
    """Token and metric of series that begin with another value than their decisions say, in order.

    A series begins with what its first standing DeltaOne was measured against: the least of all
    that were beaten, because the head does not fall below one that stands. Where nothing stands,
    its baseline is its head.
    """
    told = [
        series.c.token_id,
        series.c.benchmark_metric,
        series.c.direction,
        series.c.baseline_value,
        series.c.head_value,
    ]
    in_workspace = series.c.workspace == workspace
    # Not an outer join of series: no index finds the decisions of one.
    beaten_values = (
        select(*told, decisions.c.baseline_value.label("beaten"))
        .select_from(decisions.join(series, _IN_SERIES))
        .where(
            decisions.c.workspace == workspace, in_workspace, IS_ACHIEVED, ~is_revoked(decisions)
        )
    )
    query = (
        union_all(select(*told, null().label("beaten")).where(in_workspace), beaten_values)
        .order_by("token_id", "benchmark_metric")
        .execution_options(yield_per=_FETCH)
    )
    off = []
    for key, rows in groupby(connection.execute(query), lambda row: (row[0], row[1])):
        found = list(rows)
        beaten = [row.beaten for row in found if row.beaten is not None]
        if found[0].baseline_value != _least(beaten, found[0].direction, found[0].head_value):
            off.append(key)
    return off


def _least(beaten: Sequence[str], direction: str, otherwise: str) -> str | None:
    """The value that the others were better than; None where one of them is no number."""
    try:
        in_order = sorted(beaten, key=Decimal, reverse=direction == Direction.MINIMIZE.value)
    except InvalidOperation:
        return None
    return in_order[0] if in_order else otherwise


def _measured_against(head: Any) -> ColumnElement[bool]:
    """That a decision names another, which set a head of the same series."""
    return and_(
        head.c.workspace == decisions.c.workspace,
        head.c.decision_id == decisions.c.baseline_decision_id,
        head.c.token_id == decisions.c.token_id,
        head.c.benchmark_metric == decisions.c.benchmark_metric,
        head.c.outcome.in_(SETS_HEAD),
    )


def _differ(told: Any, known: Any) -> ColumnElement[bool]:
    # NULL != value is NULL, and a WHERE takes that for false: a value that was removed would pass.
    return or_(told.is_(None), told != known)


def _exists(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(decisions.c.decision_id).where(*conditions).exists()
