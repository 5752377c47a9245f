"""A ledger as a file of JSON lines: written from a database, checked without one (R21)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import rfc8785
from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import event_rows, ledger_rows
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.errors import DamagedLedger
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import difference
from hokusai_mlflow_plugin.services.rewards.event_chain import EventChain
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault

_BATCH = 1_000
MAX_LINE_BYTES = 8 << 20
"""Far above any event: what is no ledger must not fill the memory."""

Json = dict[str, Any]


def export_lines(connection: Connection, workspace: str) -> Iterator[bytes]:
    """Every event that a workspace's ledger has now, in order, each as a line of canonical JSON.

    Events that are written meanwhile are left out. There is never more than one batch in memory.

    Raises:
        DamagedLedger: An event cannot be read. Without it the file would tell of a gap.
    """
    tail = ledger_rows.read_tail(connection, workspace)
    last, end = 0, tail.last_sequence if tail else 0
    while last < end:
        rows = event_rows.read_events(connection, workspace, last, min(_BATCH, end - last))
        if not rows:  # removed; who checks the file finds it
            return
        for row in rows:
            try:
                yield rfc8785.dumps(event_of(row)) + b"\n"
            except (ValueError, RecursionError):
                raise DamagedLedger(workspace, f"Event {row['sequence']}") from None
            last = row["sequence"]


class FileCheck:
    """Follows the events of a file.

    Args:
        file: One event to a line, as the feed tells it, from the first on.
        checkpoint: What the ledger of these events has to have been at a time.
    """

    def __init__(self, file: BinaryIO, checkpoint: Checkpoint | None = None) -> None:
        self._file = file
        self._checkpoint = checkpoint
        self._chain = EventChain("")
        self.count = 0

    @property
    def last_hash(self) -> str:
        """Of the last event."""
        return self._chain.last_hash

    def faults(self) -> Iterator[LedgerFault]:
        """Every fault of the file, in its order; it is read once, line by line."""
        hash_at_checkpoint = None
        for line in _lines(self._file):
            event = _event(line)
            if event is None:
                message = f"The line after event {self._chain.sequence} is no reward event."
                yield LedgerFault("", self._chain.sequence, "event_malformed", message)
                continue
            self.count += 1
            yield from self._chain.follow(event)
            if self._checkpoint and event["sequence"] == self._checkpoint.sequence:
                hash_at_checkpoint = event["hash"]
        if self._checkpoint and (problem := difference(self._checkpoint, hash_at_checkpoint)):
            yield LedgerFault("", self._checkpoint.sequence, "checkpoint_differs", problem)


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Lines; None for one that is too long, which ends the file."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            yield None
            return
        yield line


def _event(line: bytes | None) -> Json | None:
    """The event of a line; None where it is none."""
    if line is None:
        return None
    try:
        event = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    sequence = event.get("sequence")
    texts = (event.get("hash"), event.get("previous_hash"))
    is_event = type(sequence) is int and sequence > 0 and all(isinstance(t, str) for t in texts)
    return event if is_event else None


def _object(pairs: list[tuple[str, Any]]) -> Json:
    """A JSON object whose keys are given once: of two, each reader could take another."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found
