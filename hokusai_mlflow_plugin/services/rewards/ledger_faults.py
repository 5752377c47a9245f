"""What can be wrong with the ledger and with what it rests on, by code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Code = Literal[
    # One event, and its place in the chain.
    "event_edited",
    "event_removed",
    "event_added",
    "event_malformed",
    "chain_broken",
    "end_differs",
    "id_differs",
    # An event and what it was made of.
    "decision_differs",
    "decision_repeated",
    "event_missing",
    "payees_differ",
    "run_differs",
    "payee_totals_differ",
    "payee_totals_edited",
    "paid_run_missing",
    "paid_run_edited",
    # Its corrections, its review and its settlement.
    "correction_missing",
    "correction_differs",
    "correction_edited",
    "review_differs",
    "review_edited",
    "settlement_differs",
    "settlement_edited",
    # Its delivery.
    "delivery_missing",
    "delivery_edited",
    "delivery_differs",
    "attempt_edited",
    # A ledger and what was signed of it.
    "checkpoint_differs",
    "checkpoint_missing",
    "checkpoint_unsigned",
    "checkpoint_edited",
    # Decisions and series.
    "decision_edited",
    "decision_renamed",
    "verdict_differs",
    "superseded_missing",
    "indexed_decision_missing",
    "head_left_twice",
    "baseline_missing",
    "baseline_differs",
    "series_missing",
    "series_baseline_differs",
    "direction_differs",
    "head_differs",
    # The registry as a whole.
    "ledger_removed",
    "state_edited",
    "verification_edited",
    "state_missing",
    "finding_edited",
    "model_name_edited",
    "token_edited",
    "publisher_edited",
    "history_edited",
]
"""``docs/events.md`` says what each of them means."""

Found = tuple[Code, str]
"""A code and a sentence, before it is known where the fault is."""


@dataclass(frozen=True)
class LedgerFault:
    """Something that is not as the registry wrote it."""

    workspace: str
    """Empty where the fault is in what belongs to no workspace."""
    sequence: int
    """Of the event, or 0 where the fault is not in one event."""
    code: Code
    message: str


def gap_faults(workspace: str, first: int, last: int) -> Iterator[LedgerFault]:
    """That events from one sequence number to another are gone; none where there are none."""
    if first == last:
        yield LedgerFault(workspace, first, "event_removed", f"Event {first} is gone.")
    elif first < last:
        message = f"Events {first} to {last} are gone."
        yield LedgerFault(workspace, first, "event_removed", message)
