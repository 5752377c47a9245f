"""Signing the ends of the ledgers (R21).

What is signed was followed before, event by event, from the last checkpoint that is known. So who
signs vouches for a chain that only grew, and a rewrite stops the signing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.rewards import checkpoint_rows, event_rows, ledger_rows
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.db.rewards.ledger_rows import LedgerTail
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.errors import InvalidKey, InvalidNote, LedgerRewritten
from hokusai_mlflow_plugin.domain.signed_notes import SigningKey, sign
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import (
    difference,
    opened,
    published_keys,
)
from hokusai_mlflow_plugin.services.rewards.event_chain import EventChain

_BATCH = 1_000


@dataclass(frozen=True)
class SignedCheckpoint:
    """The newest checkpoint of a workspace's ledger."""

    workspace: str
    checkpoint: Checkpoint
    note: str
    public_keys: tuple[str, ...]
    """Those that signed it."""
    is_new: bool
    """Whether it was made just now."""


def checkpoint_ledger(
    engine: Engine,
    workspace: str,
    keys: Sequence[SigningKey],
    now_ms: int,
    kept: Checkpoint | None = None,
) -> SignedCheckpoint | None:
    """Sign where the ledger of a workspace ends, unless these keys did it already.

    Any number of processes may do it, while events are appended: each signs an end that is
    committed, and rows are only added.

    Args:
        engine: On the registry's database.
        workspace: Whose ledger.
        keys: One, or two during a rotation.
        now_ms: The time.
        kept: A checkpoint of this ledger that was kept elsewhere, which it has to go on from.

    Returns:
        The newest checkpoint; None where the workspace has no event.

    Raises:
        LedgerRewritten: The ledger does not go on from a checkpoint, or its chain is broken.
    """
    public_keys = tuple(str(key.public) for key in keys)
    with engine.connect() as connection:
        # Before the ledger's end: read after it, another's checkpoint could lie behind that.
        known = _known(connection, workspace, kept)
        # One row, which each event's transaction moves on: the end, with its hash, is one that was
        # committed, and all events up to it were.
        tail = ledger_rows.read_tail(connection, workspace)
        if tail is None or not tail.last_sequence:
            return None
        _follow(connection, workspace, tail, known)
        for row in checkpoint_rows.read_at(connection, workspace, tail.last_sequence):
            if row["public_keys"].split("\n") == list(public_keys):
                found = opened(row["note"], [key.public for key in keys])
                return SignedCheckpoint(workspace, found, row["note"], public_keys, False)
    checkpoint = Checkpoint(tail.ledger_id, tail.last_sequence, tail.last_hash, now_ms)
    note = sign(checkpoint.text(), keys)
    with engine.begin() as connection:
        checkpoint_rows.insert(
            connection,
            workspace,
            tail.ledger_id,
            tail.last_sequence,
            now_ms,
            note,
            public_keys,
        )
    return SignedCheckpoint(workspace, checkpoint, note, public_keys, True)


def _known(connection: Connection, workspace: str, kept: Checkpoint | None) -> list[Checkpoint]:
    """The checkpoints that a ledger has to go on from, the newest last."""
    known = [] if kept is None else [kept]
    if row := checkpoint_rows.read_newest(connection, workspace):
        try:
            known.append(opened(row["note"], published_keys(row)))
        except (InvalidNote, InvalidKey) as error:
            raise LedgerRewritten(workspace, f"Its newest checkpoint was edited: {error}") from None
    return sorted(known, key=lambda each: each.sequence)


def _follow(
    connection: Connection, workspace: str, tail: LedgerTail, known: Sequence[Checkpoint]
) -> None:
    """Follow the chain from the newest checkpoint to the ledger's end."""
    for each in known:
        if each.ledger_id != tail.ledger_id:
            reason = f"Its checkpoint is of ledger {each.ledger_id}, and it is {tail.ledger_id}."
            raise LedgerRewritten(workspace, reason)
        found = event_rows.read_events_at(connection, workspace, [each.sequence])
        if problem := difference(each, found[0]["hash"] if found else None):
            raise LedgerRewritten(workspace, problem)
    chain = EventChain(workspace)
    if known:
        chain = EventChain(workspace, known[-1].sequence, known[-1].hash)
    while chain.sequence < tail.last_sequence:
        limit = min(_BATCH, tail.last_sequence - chain.sequence)
        rows = event_rows.read_events(connection, workspace, chain.sequence, limit)
        if not rows or rows[-1]["sequence"] > tail.last_sequence:
            raise LedgerRewritten(workspace, f"Event {tail.last_sequence} is gone.")
        for row in rows:
            try:
                event = event_of(row)
            except (ValueError, RecursionError):
                raise LedgerRewritten(workspace, f"Event {row['sequence']} is no JSON.") from None
            for fault in chain.follow(event):
                raise LedgerRewritten(workspace, fault.message)
    if (chain.sequence, chain.last_hash) != (tail.last_sequence, tail.last_hash):
        raise LedgerRewritten(workspace, "It ends with another hash than its last event has.")
