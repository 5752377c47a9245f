"""Reward events as they are read: in order, by number, by state, with the models they are about."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, select

from hokusai_mlflow_plugin.db.rewards.event_states import STATE
from hokusai_mlflow_plugin.db.schema.tables import (
    decisions,
    reward_events,
)

_own, _against = decisions.alias("decided"), decisions.alias("baseline")
WITH_MODELS = reward_events.outerjoin(
    _own,
    and_(
        _own.c.workspace == reward_events.c.workspace,
        _own.c.decision_id == reward_events.c.decision_id,
    ),
).outerjoin(
    _against,
    and_(
        _against.c.workspace == _own.c.workspace,
        _against.c.decision_id == _own.c.baseline_decision_id,
    ),
)
MODELS_OF_EVENT = (_own.c.name.label("name"), _against.c.name.label("baseline_name"))
"""The names that the model of an event, and that which it was measured against, have now."""


def read_events(
    connection: Connection, workspace: str, after: int, limit: int, token_id: str | None = None
) -> Sequence[RowMapping]:
    """Events in the order of their sequence, after a sequence number."""
    return _in_order(connection, select(reward_events), workspace, after, limit, token_id)


def read_states(
    connection: Connection, workspace: str, sequences: Collection[int]
) -> Mapping[str, str]:
    """The states of the events with these sequence numbers, by their ids."""
    query = select(reward_events.c.event_id, STATE).where(
        reward_events.c.workspace == workspace, reward_events.c.sequence.in_(sorted(sequences))
    )
    if not sequences:
        return {}
    return {event_id: str(state) for event_id, state in connection.execute(query)}


def last_scanned(
    connection: Connection, workspace: str, after: int, count: int, token_id: str | None = None
) -> int | None:
    """The number of the event with which so many after a sequence number end; None for fewer."""
    query = select(reward_events.c.sequence)
    if token_id is not None:
        query = query.where(reward_events.c.token_id == token_id)
    query = query.where(
        reward_events.c.workspace == workspace, reward_events.c.sequence > after
    ).order_by(reward_events.c.sequence)
    return connection.scalar(query.offset(count - 1).limit(1))


def read_models_of_events(
    connection: Connection,
    workspace: str,
    after: int,
    limit: int,
    token_id: str | None = None,
    *conditions: ColumnElement[bool],
) -> Sequence[RowMapping]:
    """What events are about, in the order of their sequence, after a sequence number.

    Of so many events those that fulfil the conditions.

    Shape: ``sequence``, and the names that the model of each, and the model that it was measured
    against, have now. A rename moves the decisions; an event keeps the names of its time.
    """
    query = select(
        reward_events.c.sequence,
        *MODELS_OF_EVENT,
    ).select_from(WITH_MODELS)
    if conditions:
        # The limit first: an answer costs no more where few events fulfil them.
        looked_at = _ordered(
            select(reward_events.c.sequence), workspace, after, limit, token_id
        ).subquery()
        same = reward_events.c.sequence.in_(select(looked_at.c.sequence))
        query = query.where(same, *conditions)
    return _in_order(connection, query, workspace, after, limit, token_id)


def since(time_ms: int) -> ColumnElement[bool]:
    """Whether an event was written at a time or later."""
    return reward_events.c.event_time >= time_ms


def in_state(state: str) -> ColumnElement[bool]:
    """Whether an event is in a state."""
    return STATE.in_((state,))


def _in_order(
    connection: Connection,
    query: Select[Any],
    workspace: str,
    after: int,
    limit: int,
    token_id: str | None,
) -> Sequence[RowMapping]:
    found = connection.execute(_ordered(query, workspace, after, limit, token_id))
    return found.mappings().all()


def _ordered(
    query: Select[Any], workspace: str, after: int, limit: int, token_id: str | None
) -> Select[Any]:
    query = (
        query.where(reward_events.c.workspace == workspace, reward_events.c.sequence > after)
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    return query if token_id is None else query.where(reward_events.c.token_id == token_id)


def read_models_of_token(
    connection: Connection, workspace: str, token_id: str
) -> Sequence[RowMapping]:
    """Every pair of models that events of a token are about, each once, in no order.

    Shape: as :func:`read_models_of_events`, without ``sequence``.
    """
    query = (
        select(*MODELS_OF_EVENT)
        .distinct()
        .select_from(WITH_MODELS)
        .where(reward_events.c.workspace == workspace, reward_events.c.token_id == token_id)
    )
    return connection.execute(query).mappings().all()


def read_events_at(
    connection: Connection, workspace: str, sequences: Collection[int]
) -> Sequence[RowMapping]:
    """The events with these sequence numbers, in order."""
    if not sequences:
        return ()
    query = (
        select(reward_events)
        .where(
            reward_events.c.workspace == workspace, reward_events.c.sequence.in_(sorted(sequences))
        )
        .order_by(reward_events.c.sequence)
    )
    return connection.execute(query).mappings().all()


def event_of(row: RowMapping) -> dict[str, Any]:
    """An event as the API gives it, from its row."""
    return {
        "sequence": row["sequence"],
        "id": row["event_id"],
        "type": row["type"],
        "timestamp": row["event_time"],
        "token_id": row["token_id"],
        "data": json.loads(row["data"]),
        "previous_hash": row["previous_hash"],
        "hash": row["hash"],
    }
