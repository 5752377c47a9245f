"""The SQL of the reward ledger."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, func, select

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.rewards.event_states import STATE
from hokusai_mlflow_plugin.db.schema.tables import (
    decisions,
    ledgers,
    reward_events,
    state,
)
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent

LEDGER_MARK = "ledger"
"""What ``hokusai_state`` says under the id of each ledger that was ever begun."""

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


# Built once: building it takes longer than its answer.
_TAIL = select(
    ledgers.c.ledger_id,
    ledgers.c.last_sequence,
    ledgers.c.last_hash,
    func.coalesce(ledgers.c.totalled_sequence, 0),
).where(ledgers.c.workspace == bindparam("workspace"))
# The lock is what makes the numbers gapless: a sequence of the database's own would leave a gap at
# each transaction that is rolled back.
_LOCKED_TAIL = _TAIL.with_for_update()


@dataclass(frozen=True)
class LedgerTail:
    """The end of a workspace's chain of events."""

    ledger_id: str
    last_sequence: int
    last_hash: str
    totalled_sequence: int = 0
    """That of the last event that the totals of payees hold."""


def lock_ledger(
    connection: Connection, workspace: str, new_ledger_id: str, first_hash: str
) -> LedgerTail:
    """The end of the chain, locked until the transaction ends; begins a chain where none is."""
    tail = read_tail(connection, workspace, lock=True)
    if tail is None:
        row = {
            "workspace": workspace,
            "ledger_id": new_ledger_id,
            "last_sequence": 0,
            "last_hash": first_hash,
            "totalled_sequence": 0,
        }
        # A row that is not there cannot be locked. Of two first writers one inserts it, the other
        # waits for that to be committed, and the second look locks whichever is there.
        insert_if_absent(connection, ledgers, row)
        tail = read_tail(connection, workspace, lock=True)
        assert tail is not None  # noqa: S101  # it was just written, by this writer or another
        mark_ledger(connection, uuid.UUID(tail.ledger_id).hex)
    return tail


def mark_ledger(connection: Connection, ledger_id: str) -> None:
    """Put on record that a ledger was begun, by its id in hex, so that it is missed if it goes."""
    mark = {"key": ledger_id, "value": LEDGER_MARK}
    insert_if_absent(connection, state, sealed(state, mark))


def read_tail(connection: Connection, workspace: str, *, lock: bool = False) -> LedgerTail | None:
    """The end of the chain as the ledger's own row has it, or None before the first event."""
    query = _LOCKED_TAIL if lock else _TAIL
    row = connection.execute(query, {"workspace": workspace}).one_or_none()
    return None if row is None else LedgerTail(*row)


def insert_event(writes: JoinedWrites, row: Mapping[str, Any]) -> None:
    """Write an event."""
    writes.insert(reward_events, row)


def advance(writes: JoinedWrites, workspace: str, sequence: int, digest: str) -> None:
    """Move the end of the chain, and of the totals, to a new event."""
    end = {"last_sequence": sequence, "last_hash": digest, "totalled_sequence": sequence}
    writes.update(ledgers, {"workspace": workspace, **end})


def behind(connection: Connection) -> Sequence[str]:
    """Workspaces whose totals of payees, and notes of runs, do not go to their ledger's end."""
    query = select(ledgers.c.workspace).where(
        func.coalesce(ledgers.c.totalled_sequence, 0) < ledgers.c.last_sequence
    )
    return sorted(connection.scalars(query))


def note_totalled(connection: Connection, workspace: str) -> None:
    """Both go to its end now; to be called under the ledger's lock."""
    connection.execute(
        ledgers.update()
        .where(ledgers.c.workspace == workspace)
        .values(totalled_sequence=ledgers.c.last_sequence)
    )


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
