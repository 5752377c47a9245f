"""Checkpoints: what a ledger was at a time, as the text of a signed note.

The text is that of https://c2sp.org/tlog-checkpoint: an origin, a size, a hash in base64, and an
extension line of ours. The hash is that of the chain's last event, and not the root of a tree.

Source: R21.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from hokusai_mlflow_plugin.domain.errors import InvalidNote

_ORIGIN = "hokusai-ledger/"
_TEXT = re.compile(
    rf"{_ORIGIN}([0-9a-f-]{{36}})\n"
    r"([1-9][0-9]{0,18})\n"
    r"([A-Za-z0-9+/]{43}=)\n"
    r"timestamp ([0-9]{1,18})\n"
    r"(?:[^\n]+\n)*"  # extension lines of a later release
)


@dataclass(frozen=True)
class Checkpoint:
    """That a ledger ended so, at that time."""

    ledger_id: str
    sequence: int
    """Of the last event; there were that many."""
    hash: str
    """Of that event, in hex. It covers every event before it."""
    time_ms: int

    def text(self) -> str:
        """What is signed."""
        digest = base64.b64encode(bytes.fromhex(self.hash)).decode()
        return f"{_ORIGIN}{self.ledger_id}\n{self.sequence}\n{digest}\ntimestamp {self.time_ms}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of a note's text.

    Raises:
        InvalidNote: It is none.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InvalidNote("The note is not about a reward ledger.")
    ledger_id, sequence, digest, time_ms = match.groups()
    found = Checkpoint(ledger_id, int(sequence), base64.b64decode(digest).hex(), int(time_ms))
    if not text.startswith(found.text()):  # other base64 or digits that stand for the same
        raise InvalidNote("The note is not about a reward ledger.")
    return found
