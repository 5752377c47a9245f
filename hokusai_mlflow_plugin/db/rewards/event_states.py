"""How an event stands, worked out from rows that are only ever added (R20)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, literal

from hokusai_mlflow_plugin.db.rewards.review_rows import has_step
from hokusai_mlflow_plugin.db.schema.tables import (
    corrections,
    delivery_attempts,
    reward_events,
    settlements,
)
from hokusai_mlflow_plugin.domain.reward_events import Correction, EventState, ReviewStep

# Aliases: a query may have the tables themselves beside them.
_revocations, _settled = corrections.alias("revocations_of"), settlements.alias("settled")
_attempts = delivery_attempts.alias("attempts_at")


def _of(table: Any) -> ColumnElement[bool]:
    return and_(
        table.c.workspace == reward_events.c.workspace,
        table.c.event_id == reward_events.c.event_id,
    )


_IS_REVOKED = exists().where(
    _revocations.c.workspace == reward_events.c.workspace,
    _revocations.c.of_event_id == reward_events.c.event_id,
    _revocations.c.kind == Correction.REVOKED.value,
)
_IS_DELIVERED = exists().where(
    _attempts.c.workspace == reward_events.c.workspace,
    _attempts.c.sequence == reward_events.c.sequence,
    _attempts.c.http_status.is_not(None),
    _attempts.c.error.is_(None),
)
_IS_IN_REVIEW = and_(
    has_step(reward_events, ReviewStep.ASKED), ~has_step(reward_events, ReviewStep.DECIDED)
)

STATE = case(
    # In this order: what was paid and then revoked is not owed any more.
    (_IS_REVOKED, literal(EventState.REVOKED.value)),
    (exists().where(_of(_settled)), literal(EventState.SETTLED.value)),
    (_IS_IN_REVIEW, literal(EventState.IN_REVIEW.value)),
    (_IS_DELIVERED, literal(EventState.DELIVERED.value)),
    else_=literal(EventState.RECORDED.value),
)
"""The state of a row of ``hokusai_reward_events``, as a column of a query on it."""
