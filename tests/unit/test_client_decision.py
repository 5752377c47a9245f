"""The decision that the client answers with, from what a registry says of it."""

from __future__ import annotations

from typing import Any

import pytest

from hokusai.core import ModelRegistry
from hokusai.evaluation.deltaone_evaluator import Comparison, explain_delta_one

TOLD: dict[str, Any] = {
    "outcome": "achieved",
    "direction": "maximize",
    "value": "0.87",
    "baseline": {"name": "model", "version": "1", "value": "0.85"},
    "improvement_pp": "2",
    "threshold_pp": "1",
    "unit": "proportion",
    "reason": "It is better.",
    "evidence": "claimed",
    "decided_timestamp": 1,
}


@pytest.mark.parametrize("further", [{}, {"a_field_of_tomorrow": 5}], ids=["today", "tomorrow"])
def test_what_a_registry_says(monkeypatch: pytest.MonkeyPatch, further: dict[str, Any]) -> None:
    """Every field is taken over, and one that a newer server adds breaks no client."""
    answer = {"name": "model", "version": "2", "decision": {**TOLD, **further}}
    monkeypatch.setattr(ModelRegistry, "ask", lambda *_args, **_parameters: answer)
    decision = explain_delta_one("model", registry=ModelRegistry("http://127.0.0.1:1"))
    assert decision is not None
    assert decision.achieved
    assert decision.baseline == Comparison("model", "1", "0.85")
    assert (decision.threshold_pp, decision.unit) == ("1", "proportion")
    assert decision.logged_value is None
