"""The SQL of the ledger's pages: its newest events, and one with its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from hokusai_mlflow_plugin.db.rewards.event_rows import MODELS_OF_EVENT, WITH_MODELS
from hokusai_mlflow_plugin.db.rewards.event_states import STATE
from hokusai_mlflow_plugin.db.schema.tables import reward_events


def read_newest_events(
    connection: Connection,
    workspace: str,
    before: int | None,
    limit: int,
    token_id: str | None = None,
    state: str | None = None,
) -> Sequence[RowMapping]:
    """What the newest events below a sequence number are about, newest first.

    Of so many events those that are in a state, where one is named.

    Shape: as ``event_rows.read_models_of_events``.
    """
    newest = _newest(workspace, before, limit, token_id)
    query = (
        select(reward_events.c.sequence, *MODELS_OF_EVENT)
        .select_from(WITH_MODELS)
        .where(reward_events.c.workspace == workspace)
        .order_by(reward_events.c.sequence.desc())
    )
    # The limit first: an answer costs no more where few events are in that state.
    looked_at = newest.subquery()
    query = query.where(reward_events.c.sequence.in_(select(looked_at.c.sequence)))
    if state is not None:
        query = query.where(STATE.in_((state,)))
    return connection.execute(query).mappings().all()


def last_looked_at(
    connection: Connection,
    workspace: str,
    before: int | None,
    count: int,
    token_id: str | None = None,
) -> int | None:
    """The number with which so many events below a sequence number end; None for fewer."""
    newest = _newest(workspace, before, 1, token_id)
    found: int | None = connection.scalar(newest.offset(count - 1))
    return found


def _newest(workspace: str, before: int | None, limit: int, token_id: str | None) -> Select[Any]:
    query = (
        select(reward_events.c.sequence)
        .where(reward_events.c.workspace == workspace)
        .order_by(reward_events.c.sequence.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(reward_events.c.sequence < before)
    if token_id is not None:
        query = query.where(reward_events.c.token_id == token_id)
    return query


def read_event_with_models(
    connection: Connection, workspace: str, event_id: str
) -> RowMapping | None:
    """An event by its id, with ``name`` and ``baseline_name`` likewise; None where none has it."""
    query = (
        select(reward_events, *MODELS_OF_EVENT)
        .select_from(WITH_MODELS)
        .where(reward_events.c.workspace == workspace, reward_events.c.event_id == event_id)
    )
    return connection.execute(query).mappings().one_or_none()


def read_neighbours(
    connection: Connection, workspace: str, sequence: int
) -> Mapping[int, RowMapping]:
    """The events before and after one, with ``name`` and ``baseline_name``, by sequence number."""
    query = (
        select(reward_events, *MODELS_OF_EVENT)
        .select_from(WITH_MODELS)
        .where(
            reward_events.c.workspace == workspace,
            reward_events.c.sequence.in_((sequence - 1, sequence + 1)),
        )
    )
    return {row["sequence"]: row for row in connection.execute(query).mappings()}
