"""Reading the newest checkpoint of a ledger."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import checkpoint_rows
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint, read_checkpoint
from hokusai_mlflow_plugin.domain.errors import DamagedLedger, InvalidNote, NoCheckpoint

Json = dict[str, Any]


def get_checkpoint(connection: Connection, workspace: str) -> Json:
    """The newest checkpoint of the workspace's ledger, as it was signed (R21).

    It tells how many events there are, and nothing of any of them; so whoever may ask gets it.

    Raises:
        NoCheckpoint: None was made yet.
        DamagedLedger: It cannot be read.
    """
    row = checkpoint_rows.read_newest(connection, workspace)
    if row is None:
        raise NoCheckpoint(workspace)
    # What its lines say is shown as it is signed: whoever relies on it checks the note itself.
    text = row["note"].partition("\n\n")[0] + "\n"
    keys = row["public_keys"].split("\n")
    try:
        return {"checkpoint": checkpoint_fields(read_checkpoint(text), row["note"], keys)}
    except InvalidNote:
        raise DamagedLedger(workspace, "The newest checkpoint") from None


def checkpoint_fields(checkpoint: Checkpoint, note: str, public_keys: list[str]) -> Json:
    """A checkpoint as the API tells it."""
    return {
        "ledger_id": checkpoint.ledger_id,
        "sequence": checkpoint.sequence,
        "hash": checkpoint.hash,
        "timestamp": checkpoint.time_ms,
        "note": note,
        "public_keys": public_keys,
    }
