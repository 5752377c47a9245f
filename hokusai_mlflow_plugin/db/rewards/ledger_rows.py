"""The end of a workspace's chain of reward events: locked, written and moved."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.schema.tables import (
    ledgers,
    reward_events,
    state,
)
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent

LEDGER_MARK = "ledger"
"""What ``hokusai_state`` says under the id of each ledger that was ever begun."""


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
