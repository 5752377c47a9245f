"""What a decision means, in sentences: on the command line and on the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEANING = {
    "baseline": "It set the value to beat; a baseline pays nothing.",
    "achieved": "DeltaOne: it left a reward event, and became the value to beat.",
    "below_threshold": "It improved too little; the value to beat stays.",
    "regressed": "It is worse than the value to beat, which stays.",
    "direction_unknown": "Nothing was compared, so nothing is paid.",
    "copy": "A copy pays nothing.",
    "revoked": "It counts for nothing: what is right is registered as a new version.",
}
"""By outcome."""
_EVIDENCE = {
    "run_backed": "The run logged the same value.",
    "mismatch": "The run logged another value{told}.",
    "reused": "The run logged the same value, but another reward rests on that run.",
    "claimed": "No run of this server backs the value.",
}


def evidence_text(decision: Mapping[str, Any]) -> str:
    """What backs a decision's value; what was logged instead is told to who may read it."""
    logged = decision.get("logged_value")
    return _EVIDENCE[decision["evidence"]].format(told="" if logged is None else f": {logged}")
