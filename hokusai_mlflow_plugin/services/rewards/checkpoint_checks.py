"""Whether a ledger still is what was signed of it (R21)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import checkpoint_rows, event_rows, ledger_rows
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint, read_checkpoint
from hokusai_mlflow_plugin.domain.errors import InvalidKey, InvalidNote
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey, open_note, read_public_key
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault


def opened(note: str, trusted: Collection[PublicKey]) -> Checkpoint:
    """The checkpoint of a note that one of these keys signed.

    Raises:
        InvalidNote: None did, or it is no checkpoint.
    """
    text, signers = open_note(note, trusted)
    if not signers:
        names = ", ".join(map(str, trusted)) or "none"
        raise InvalidNote(f"The checkpoint is signed by none of the trusted keys: {names}.")
    return read_checkpoint(text)


def published_keys(row: RowMapping) -> list[PublicKey]:
    """The keys that are published beside a checkpoint.

    Raises:
        InvalidKey: Somebody edited them.
    """
    return [read_public_key(line) for line in row["public_keys"].split("\n")]


def kept_faults(
    connection: Connection, workspace: str, trusted: Collection[PublicKey]
) -> Iterator[LedgerFault]:
    """Every checkpoint in the database that the workspace's ledger does not agree with.

    Args:
        connection: A connection to the registry's database.
        workspace: Whose ledger.
        trusted: Of these keys one has to have signed the newest checkpoint. Older ones, whose keys
            may be retired, are held against the keys beside them, as all are where these are none.
    """
    # Before the checkpoints: the first one of all may be made meanwhile, and its mark with it.
    were_made = _were_made(connection, workspace)
    newest: RowMapping | None = None
    for row in checkpoint_rows.read_with_events(connection, workspace):
        yield from _row_faults(row, ())
        newest = row
    if newest is not None and trusted:
        yield from _row_faults(newest, trusted)
    if newest is None and were_made:
        message = "Checkpoints of this ledger were made, and are gone."
        yield LedgerFault(workspace, 0, "checkpoint_missing", message)
    elif newest is not None and not were_made and not _were_made(connection, workspace):
        message = "The registry's state does not know that this ledger has checkpoints."
        yield LedgerFault(workspace, 0, "state_missing", message)


def given_faults(connection: Connection, checkpoint: Checkpoint) -> Iterator[LedgerFault]:
    """What the database says other than a checkpoint that was kept elsewhere."""
    workspace = checkpoint_rows.workspace_of(connection, checkpoint.ledger_id)
    if workspace is None:
        message = f"The checkpoint is of ledger {checkpoint.ledger_id}, which is not here."
        yield LedgerFault("", 0, "ledger_removed", message)
        return
    found = event_rows.read_events_at(connection, workspace, [checkpoint.sequence])
    if problem := difference(checkpoint, found[0]["hash"] if found else None):
        yield LedgerFault(workspace, checkpoint.sequence, "checkpoint_differs", problem)


def difference(checkpoint: Checkpoint, event_hash: str | None) -> str | None:
    """What a ledger says other than its checkpoint, or None.

    Args:
        checkpoint: It.
        event_hash: Of the event with the checkpoint's sequence number; None where that is gone.
    """
    sequence = checkpoint.sequence
    if event_hash is None:
        return f"The checkpoint was made of {sequence} events; event {sequence} is gone."
    if event_hash != checkpoint.hash:
        return (
            f"Event {sequence} had hash {checkpoint.hash} when the checkpoint was made, and has "
            f"{event_hash} now: it or one before it was rewritten."
        )
    return None


def _were_made(connection: Connection, workspace: str) -> bool:
    """Whether checkpoints of a workspace's ledger were ever made, as the state has it."""
    tail = ledger_rows.read_tail(connection, workspace)
    return tail is not None and checkpoint_rows.were_made(connection, tail.ledger_id)


def _row_faults(row: RowMapping, trusted: Collection[PublicKey]) -> Iterator[LedgerFault]:
    workspace, sequence = row["workspace"], row["sequence"]
    try:
        checkpoint = opened(row["note"], trusted or published_keys(row))
    except (InvalidNote, InvalidKey) as error:
        yield LedgerFault(workspace, sequence, "checkpoint_unsigned", str(error))
        return
    if trusted:  # what it says was looked at before
        return
    if (checkpoint.sequence, checkpoint.time_ms) != (sequence, row["checkpoint_time"]):
        message = "The checkpoint says another sequence number or time than is beside it."
        yield LedgerFault(workspace, sequence, "checkpoint_differs", message)
    elif checkpoint.ledger_id != row["ledger_id"]:
        message = f"The checkpoint is of ledger {checkpoint.ledger_id}, and this is another one."
        yield LedgerFault(workspace, sequence, "checkpoint_differs", message)
    elif problem := difference(checkpoint, row["event_hash"]):
        yield LedgerFault(workspace, sequence, "checkpoint_differs", problem)
