"""The SQL with which the reward ledger is checked.

Every check is one statement, so that it sees one state of the database: writers go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    func,
    select,
    union,
)

from hokusai_mlflow_plugin.db.deltaone.decision_log import IS_ACHIEVED
from hokusai_mlflow_plugin.db.deltaone.standing import is_revoked
from hokusai_mlflow_plugin.db.schema.tables import (
    checkpoints,
    corrections,
    decisions,
    deliveries,
    delivery_attempts,
    ledgers,
    paid_runs,
    reviews,
    reward_events,
    series,
    token_index,
)
from hokusai_mlflow_plugin.domain.delta import Evidence, Outcome
from hokusai_mlflow_plugin.domain.reward_events import Correction, ReviewStep

_OF_DECISION = and_(
    decisions.c.workspace == reward_events.c.workspace,
    decisions.c.decision_id == reward_events.c.decision_id,
)
_OF_CORRECTION = and_(
    corrections.c.workspace == reward_events.c.workspace,
    corrections.c.event_id == reward_events.c.event_id,
)
_corrected = reward_events.alias("corrected")
_OF_CORRECTED = and_(
    _corrected.c.workspace == corrections.c.workspace,
    _corrected.c.event_id == corrections.c.of_event_id,
)
# The payees that a corrected event was given before it was revoked.
_payees, _payees_event = corrections.alias("payees"), reward_events.alias("payees_event")
_HAS_PAYEES = and_(
    corrections.c.kind == Correction.REVOKED.value,
    _payees.c.workspace == corrections.c.workspace,
    _payees.c.of_event_id == corrections.c.of_event_id,
    _payees.c.kind == Correction.PAYEES_NAMED.value,
)
_OF_PAYEES = and_(
    _payees_event.c.workspace == _payees.c.workspace,
    _payees_event.c.event_id == _payees.c.event_id,
)


def _of_review(review: Any, step: ReviewStep) -> ColumnElement[bool]:
    return and_(
        review.c.workspace == reward_events.c.workspace,
        review.c.event_id == reward_events.c.event_id,
        review.c.step == step.value,
    )


_asked, _decided = reviews.alias("asked"), reviews.alias("decided_review")


def workspaces(connection: Connection) -> list[str]:
    """Every workspace that has a ledger, or any row that one has to do with, in order."""
    tables = (ledgers, reward_events, series, decisions, token_index, checkpoints)
    found = union(*(select(table.c.workspace) for table in tables))
    return sorted(connection.scalars(found))


def read_events(
    connection: Connection, workspace: str, after: int | None, limit: int
) -> Sequence[RowMapping]:
    """Events in order, each with what its decision, correction, ledger and delivery say.

    Nulls where one of these is gone.
    """
    query = (
        _events()
        .where(reward_events.c.workspace == workspace)
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    if after is not None:
        query = query.where(reward_events.c.sequence > after)
    return connection.execute(query).mappings().all()


def read_linked_events(
    connection: Connection, workspace: str, first: int, last: int
) -> Sequence[RowMapping]:
    """Events as :func:`read_events` has them, with the hashes that link them to their neighbours.

    From one sequence number to another; without those that somebody removed.
    """
    before, following = reward_events.alias(), reward_events.alias()
    query = (
        _events()
        .add_columns(before.c.hash.label("hash_before"))
        .add_columns(following.c.previous_hash.label("hash_that_follows"))
        .outerjoin(
            before,
            and_(
                before.c.workspace == reward_events.c.workspace,
                before.c.sequence == reward_events.c.sequence - 1,
            ),
        )
        .outerjoin(
            following,
            and_(
                following.c.workspace == reward_events.c.workspace,
                following.c.sequence == reward_events.c.sequence + 1,
            ),
        )
        .where(
            reward_events.c.workspace == workspace, reward_events.c.sequence.between(first, last)
        )
    )
    return connection.execute(query).mappings().all()


def _events() -> Select[Any]:
    of_delivery = and_(
        deliveries.c.workspace == reward_events.c.workspace,
        deliveries.c.sequence == reward_events.c.sequence,
    )
    is_last = and_(
        delivery_attempts.c.workspace == deliveries.c.workspace,
        delivery_attempts.c.sequence == deliveries.c.sequence,
        delivery_attempts.c.attempt == deliveries.c.attempts,
    )
    each = delivery_attempts.alias()
    logged = (
        select(func.count())
        .where(
            each.c.workspace == reward_events.c.workspace,
            each.c.sequence == reward_events.c.sequence,
        )
        .scalar_subquery()
    )
    return select(
        reward_events,
        decisions.c.outcome.label("decision_outcome"),
        decisions.c.version.label("decision_version"),
        decisions.c.token_id.label("decision_token_id"),
        decisions.c.benchmark_metric.label("decision_metric"),
        decisions.c.direction.label("decision_direction"),
        decisions.c.value.label("decision_value"),
        decisions.c.improvement_pp.label("decision_improvement_pp"),
        decisions.c.baseline_value.label("decision_baseline_value"),
        decisions.c.baseline_decision_id.label("decision_baseline_decision_id"),
        decisions.c.evidence.label("decision_evidence"),
        decisions.c.decided_name.label("decision_decided_name"),
        decisions.c.decided_time.label("decision_time"),
        decisions.c.actor.label("decision_actor"),
        decisions.c.reason.label("decision_reason"),
        decisions.c.unit.label("decision_unit"),
        decisions.c.threshold_pp.label("decision_threshold_pp"),
        decisions.c.falls.label("decision_falls"),
        decisions.c.supersedes.label("decision_supersedes"),
        *(column.label(f"correction_{column.name}") for column in corrections.columns),
        *(column.label(f"corrected_{column.name}") for column in _corrected.columns),
        _payees_event.c.data.label("payees_data"),
        _asked.c.event_id.label("review_asked"),
        _decided.c.event_id.label("review_decided"),
        _decided.c.verdict.label("review_verdict"),
        case((is_revoked(decisions), 1), else_=0).label("is_revoked"),
        ledgers.c.ledger_id,
        ledgers.c.last_sequence,
        ledgers.c.last_hash,
        *(column.label(f"delivery_{column.name}") for column in deliveries.columns),
        logged.label("logged_attempts"),
        delivery_attempts.c.attempt_time.label("last_attempt_time"),
        delivery_attempts.c.http_status.label("last_http_status"),
        delivery_attempts.c.error.label("last_error"),
    ).select_from(
        reward_events.outerjoin(decisions, _OF_DECISION)
        .outerjoin(ledgers, ledgers.c.workspace == reward_events.c.workspace)
        .outerjoin(corrections, _OF_CORRECTION)
        .outerjoin(_corrected, _OF_CORRECTED)
        .outerjoin(_payees, _HAS_PAYEES)
        .outerjoin(_payees_event, _OF_PAYEES)
        .outerjoin(_asked, _of_review(_asked, ReviewStep.ASKED))
        .outerjoin(_decided, _of_review(_decided, ReviewStep.DECIDED))
        .outerjoin(deliveries, of_delivery)
        .outerjoin(delivery_attempts, is_last)
    )


def decisions_without_event(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of achieved and revoked decisions that no event stands for, in the order of time."""
    leaves_event = decisions.c.outcome.in_((Outcome.ACHIEVED.value, Outcome.REVOKED.value))
    query = (
        select(decisions.c.decision_id)
        .select_from(decisions.outerjoin(reward_events, _OF_DECISION))
        .where(decisions.c.workspace == workspace, leaves_event, reward_events.c.sequence.is_(None))
        .order_by(decisions.c.decided_time, decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def corrections_without_event(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of corrections that no event stands for, in order."""
    of_correction = and_(
        reward_events.c.workspace == corrections.c.workspace,
        reward_events.c.event_id == corrections.c.event_id,
    )
    query = (
        select(corrections.c.event_id)
        .select_from(corrections.outerjoin(reward_events, of_correction))
        .where(corrections.c.workspace == workspace, reward_events.c.sequence.is_(None))
        .order_by(corrections.c.event_id)
    )
    return connection.scalars(query).all()


def decisions_without_paid_run(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of achieved decisions that runs back, and that not every one is noted for, in order.

    Older ones than revision 0004 have no threshold: of two that rested on one run then, the note
    keeps it for the first.
    """
    noted = and_(
        paid_runs.c.workspace == decisions.c.workspace,
        paid_runs.c.decision_id == decisions.c.decision_id,
    )
    query = (
        select(decisions.c.decision_id)
        .select_from(decisions.outerjoin(paid_runs, noted))
        .where(
            decisions.c.workspace == workspace,
            IS_ACHIEVED,
            decisions.c.evidence == Evidence.RUN_BACKED.value,
            decisions.c.threshold_pp.is_not(None),
            ~is_revoked(decisions),  # it gave its runs back
        )
        .group_by(decisions.c.decision_id)
        .having(func.count(paid_runs.c.run_id) < func.coalesce(func.max(paid_runs.c.run_count), 1))
        .order_by(decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def repeated_decisions(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of decisions that more than one event of a type stands for, in order."""
    query = (
        select(reward_events.c.decision_id)
        .where(reward_events.c.workspace == workspace)
        .group_by(reward_events.c.decision_id, reward_events.c.type)
        .having(func.count() > 1)
        .order_by(reward_events.c.decision_id)
    )
    return connection.scalars(query).all()
