"""The SQL of how events stand: delivery, review, settlement and corrections beside each (R20)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select

from hokusai_mlflow_plugin.db.rewards.event_rows import MODELS_OF_EVENT, WITH_MODELS
from hokusai_mlflow_plugin.db.rewards.event_states import STATE
from hokusai_mlflow_plugin.db.schema.tables import (
    corrections,
    deliveries,
    reviews,
    reward_events,
    settlements,
)
from hokusai_mlflow_plugin.domain.reward_events import ReviewStep

_asked, _decided = reviews.alias("asked"), reviews.alias("reviewed")


def _same(table: Any) -> ColumnElement[bool]:
    return and_(
        table.c.workspace == reward_events.c.workspace,
        table.c.event_id == reward_events.c.event_id,
    )


_BESIDE = (
    reward_events.outerjoin(
        deliveries,
        and_(
            deliveries.c.workspace == reward_events.c.workspace,
            deliveries.c.sequence == reward_events.c.sequence,
        ),
    )
    .outerjoin(settlements, _same(settlements))
    .outerjoin(_asked, and_(_same(_asked), _asked.c.step == ReviewStep.ASKED.value))
    .outerjoin(_decided, and_(_same(_decided), _decided.c.step == ReviewStep.DECIDED.value))
    .outerjoin(corrections, _same(corrections))
)


def read_standing(
    connection: Connection, workspace: str, sequences: Collection[int]
) -> Mapping[int, RowMapping]:
    """How events stand, by their sequence numbers; each row beside is found by its key.

    Shape: ``state``; of the delivery ``delivery_status`` (null for none), ``attempts``,
    ``next_attempt_time``; of the settlement ``settlement_status`` (null for none), ``reference``,
    ``settled_by``, ``settled_time``; of the review ``asked_time`` (null for none), ``asked_by``,
    ``verdict`` (null before it), ``reviewed_by``, ``reviewed_time``; ``corrected_by`` of an event
    that is a correction.
    """
    if not sequences:
        return {}
    query = (
        select(
            reward_events.c.sequence,
            STATE.label("state"),
            deliveries.c.status.label("delivery_status"),
            deliveries.c.attempts,
            deliveries.c.next_attempt_time,
            settlements.c.status.label("settlement_status"),
            settlements.c.reference,
            settlements.c.actor.label("settled_by"),
            settlements.c.settled_time,
            _asked.c.review_time.label("asked_time"),
            _asked.c.actor.label("asked_by"),
            _decided.c.verdict,
            _decided.c.actor.label("reviewed_by"),
            _decided.c.review_time.label("reviewed_time"),
            corrections.c.actor.label("corrected_by"),
        )
        .select_from(_BESIDE)
        .where(
            reward_events.c.workspace == workspace, reward_events.c.sequence.in_(sorted(sequences))
        )
    )
    return {row["sequence"]: row for row in connection.execute(query).mappings()}


def read_corrections(connection: Connection, workspace: str, event_id: str) -> Sequence[RowMapping]:
    """The events that correct one, in their order, with the models that each is about.

    Shape: ``sequence``, ``event_id``, ``type``, ``event_time``, ``name``, ``baseline_name``.
    """
    query = (
        select(
            reward_events.c.sequence,
            reward_events.c.event_id,
            reward_events.c.type,
            reward_events.c.event_time,
            *MODELS_OF_EVENT,
        )
        .select_from(WITH_MODELS.join(corrections, _same(corrections)))
        .where(corrections.c.workspace == workspace, corrections.c.of_event_id == event_id)
    )
    # The few that there are, sorted here: asked for an order, SQLite goes through all events in it.
    return sorted(connection.execute(query).mappings(), key=lambda row: int(row["sequence"]))
