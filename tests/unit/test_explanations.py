"""What backs a value, in a sentence."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain.explanations import evidence_text


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        ({"evidence": "run_backed", "logged_value": "0.9"}, "The run logged the same value."),
        ({"evidence": "mismatch", "logged_value": "0.5"}, "The run logged another value: 0.5."),
        ({"evidence": "mismatch", "logged_value": None}, "The run logged another value."),
        ({"evidence": "mismatch"}, "The run logged another value."),  # withheld
        (
            {"evidence": "reused"},
            "The run logged the same value, but another reward rests on that run.",
        ),
        ({"evidence": "claimed"}, "No run of this server backs the value."),
    ],
)
def test_evidence(decision, sentence):
    """A value that the run logged is told where the answer has it."""
    assert evidence_text(decision) == sentence
