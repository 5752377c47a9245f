"""Following a chain of events as the feed tells them, without a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hokusai_mlflow_plugin.services.rewards.ledger import FIRST_HASH, event_hash
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault, gap_faults


class EventChain:
    """Where a chain has been followed to.

    Args:
        workspace: Of its faults.
        sequence: The event that it is followed from; 0 for the first.
        last_hash: Of that event.
    """

    def __init__(self, workspace: str, sequence: int = 0, last_hash: str = FIRST_HASH) -> None:
        self._workspace = workspace
        self.sequence = sequence
        self.last_hash = last_hash

    def follow(self, event: Mapping[str, Any]) -> Iterator[LedgerFault]:
        """Every fault of the next event; then the chain goes on from it.

        Args:
            event: With ``sequence`` an integer, ``hash`` and ``previous_hash`` text.
        """
        sequence = event["sequence"]
        if sequence <= self.sequence:
            message = f"Event {sequence} comes after event {self.sequence}."
            yield LedgerFault(self._workspace, sequence, "event_added", message)
            return
        yield from gap_faults(self._workspace, self.sequence + 1, sequence - 1)
        if sequence == self.sequence + 1 and event["previous_hash"] != self.last_hash:
            message = f"Event {sequence} does not follow event {self.sequence}: the hashes differ."
            yield LedgerFault(self._workspace, sequence, "chain_broken", message)
        if not _has_own_hash(event):
            message = f"Event {sequence} does not have the content that its hash was made of."
            yield LedgerFault(self._workspace, sequence, "event_edited", message)
        self.sequence, self.last_hash = sequence, event["hash"]


def _has_own_hash(event: Mapping[str, Any]) -> bool:
    try:
        return bool(event_hash(event) == event["hash"])
    except (ValueError, RecursionError):  # what no event was ever written with
        return False
