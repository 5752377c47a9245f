"""The SQL with which the reward ledger is checked.

Every question is one statement, so that it sees one state of the database: writers go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select, union

from hokusai_mlflow_plugin.db.tables import decisions, ledgers, reward_events, series
from hokusai_mlflow_plugin.domain.delta import Outcome

_IS_ACHIEVED = decisions.c.outcome == Outcome.ACHIEVED.value
_OF_DECISION = and_(
    decisions.c.workspace == reward_events.c.workspace,
    decisions.c.decision_id == reward_events.c.decision_id,
)


def workspaces(connection: Connection) -> list[str]:
    """Every workspace that has a ledger, events, or what should have made some, in order."""
    found = union(
        select(ledgers.c.workspace),
        select(reward_events.c.workspace),
        select(series.c.workspace),
        select(decisions.c.workspace).where(_IS_ACHIEVED),
    )
    return sorted(connection.scalars(found))


def read_events(
    connection: Connection, workspace: str, after: int | None, limit: int
) -> Sequence[RowMapping]:
    """Events in order, each with what its decision says (nulls where the decision is gone)."""
    query = (
        select(
            reward_events,
            decisions.c.outcome.label("decision_outcome"),
            decisions.c.token_id.label("decision_token_id"),
            decisions.c.benchmark_metric.label("decision_metric"),
            decisions.c.value.label("decision_value"),
            decisions.c.improvement_pp.label("decision_improvement_pp"),
            decisions.c.baseline_value.label("decision_baseline_value"),
        )
        .select_from(reward_events.outerjoin(decisions, _OF_DECISION))
        .where(reward_events.c.workspace == workspace)
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    if after is not None:
        query = query.where(reward_events.c.sequence > after)
    return connection.execute(query).mappings().all()


def decisions_without_event(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of achieved decisions that no event stands for, in the order they were taken."""
    query = (
        select(decisions.c.decision_id)
        .select_from(decisions.outerjoin(reward_events, _OF_DECISION))
        .where(decisions.c.workspace == workspace, _IS_ACHIEVED, reward_events.c.sequence.is_(None))
        .order_by(decisions.c.decided_time, decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def repeated_decisions(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of decisions that more than one event stands for, in order."""
    query = (
        select(reward_events.c.decision_id)
        .where(reward_events.c.workspace == workspace)
        .group_by(reward_events.c.decision_id)
        .having(func.count() > 1)
        .order_by(reward_events.c.decision_id)
    )
    return connection.scalars(query).all()


def heads_left_twice(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of decisions that more than one DeltaOne was measured against, in order."""
    query = (
        select(decisions.c.baseline_decision_id)
        .where(decisions.c.workspace == workspace, _IS_ACHIEVED)
        .group_by(decisions.c.baseline_decision_id)
        .having(func.count() > 1)
        .order_by(decisions.c.baseline_decision_id)
    )
    return [str(each) for each in connection.scalars(query)]


def series_off_their_head(connection: Connection, workspace: str) -> Sequence[tuple[str, str]]:
    """Token and metric of series whose head is not what the last decision made it, in order."""
    in_series = and_(
        decisions.c.workspace == series.c.workspace,
        decisions.c.token_id == series.c.token_id,
        decisions.c.benchmark_metric == series.c.benchmark_metric,
    )
    made_it = _exists(
        in_series,
        decisions.c.decision_id == series.c.head_decision_id,
        decisions.c.value == series.c.head_value,
        decisions.c.outcome.in_((Outcome.BASELINE.value, Outcome.ACHIEVED.value)),
    )
    left_it = _exists(
        in_series, decisions.c.baseline_decision_id == series.c.head_decision_id, _IS_ACHIEVED
    )
    query = (
        select(series.c.token_id, series.c.benchmark_metric)
        .where(series.c.workspace == workspace, or_(~made_it, left_it))
        .order_by(series.c.token_id, series.c.benchmark_metric)
    )
    return [(token_id, metric) for token_id, metric in connection.execute(query)]


def _exists(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(decisions.c.decision_id).where(*conditions).exists()
