"""R9 and R10 for any sequence of writes."""

from __future__ import annotations

from support.decision_machine import run_any_writes


def test_any_sequence_of_writes(store):
    """Per series the sum of what was paid is the way from baseline to head, whatever is written."""
    run_any_writes(store, sequences=25, writes=30)
