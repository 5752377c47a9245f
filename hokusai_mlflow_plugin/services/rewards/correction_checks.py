"""What the event of a correction says, held against what it corrects and what was kept of it.

Source: R19.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import rfc8785
from sqlalchemy import RowMapping

from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT, Contributor
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.reward_events import TYPE_OF, Correction, EventType
from hokusai_mlflow_plugin.services.rewards.corrections import correction_id
from hokusai_mlflow_plugin.services.rewards.ledger import contributor_of
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Found
from hokusai_mlflow_plugin.services.rewards.payee_naming import PAYEES_SAME
from hokusai_mlflow_plugin.services.rewards.revocation import REVOKED_SAME

Json = dict[str, Any]

CORRECTIONS: Mapping[str, Correction] = {type_.value: kind for kind, type_ in TYPE_OF.items()}
"""The kind of correction that an event's type tells."""

_OF_EVENT = frozenset(("event", "contributors", "reason"))
_FIELDS = {
    Correction.REVOKED: _OF_EVENT | set(REVOKED_SAME),
    Correction.PAYEES_NAMED: _OF_EVENT | set(PAYEES_SAME),
    Correction.REBASED: frozenset(
        (
            "workspace",
            "token_id",
            "benchmark_metric",
            "direction",
            "name",
            "version",
            "value",
            "previous",
            "reason",
        )
    ),
}
_SAME = {Correction.REVOKED: REVOKED_SAME, Correction.PAYEES_NAMED: PAYEES_SAME}


def correction_faults(row: RowMapping) -> Iterator[Found]:
    """Every fault that the event of a correction shows, its hash, chain and delivery apart.

    Args:
        row: It, as ``ledger_checks`` reads it.
    """
    kind, data = CORRECTIONS[row["type"]], _object(row["data"])
    if problem := _malformation(row, kind, data):
        yield "event_malformed", problem
        return
    if row["correction_event_id"] is None:
        yield "correction_missing", "is a correction of which nothing else was kept."
        return
    if not _has_own_id(row, kind):
        yield "id_differs", "does not have the id that follows from its ledger and its correction."
    check = _of_series if kind is Correction.REBASED else _of_event
    if differing := [*_kept(row, kind, data), *check(row, kind, data)]:
        yield "correction_differs", f"differs from what it corrects in {', '.join(differing)}."


def are_contributors(found: Any) -> bool:
    """Whether a list of contributors says of each what its text and its weight come to."""
    try:
        whole = sum(each["weight"] for each in found)
        return whole in (0, FULL_WEIGHT) and all(
            each == contributor_of(Contributor(each["contributor"], each["weight"]))
            for each in found
        )
    except (TypeError, KeyError, AttributeError):
        return False


def is_canonical(row: RowMapping, data: Json) -> bool:
    """Whether an event's data is written as the ledger writes it."""
    try:
        return bool(rfc8785.dumps(data).decode() == row["data"])
    except (ValueError, TypeError, RecursionError):
        return False


def _object(text: str | None) -> Json:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _malformation(row: RowMapping, kind: Correction, data: Json) -> str | None:
    if set(data) != _FIELDS[kind]:
        return "does not have exactly the fields of such a correction."
    if (data["workspace"], data["token_id"]) != (row["workspace"], row["token_id"]):
        return "has another workspace or token in its data than beside it."
    if "contributors" in data and not are_contributors(data["contributors"]):
        return "has contributors that the registry does not write."
    return None if is_canonical(row, data) else "is not written in canonical JSON."


def _has_own_id(row: RowMapping, kind: Correction) -> bool:
    of = row["correction_of_event_id"] or row["correction_of_decision_id"]
    try:
        own = correction_id(row["ledger_id"], kind, of)
    except (ValueError, TypeError, AttributeError):  # an id that nobody ever gave
        return False
    return bool(row["event_id"] == own)


def _kept(row: RowMapping, kind: Correction, data: Json) -> list[str]:
    """What differs from the row that was kept of the correction."""
    claims = {
        "its kind": (kind.value, row["correction_kind"]),
        "reason": (data["reason"], row["correction_reason"]),
        "timestamp": (row["event_time"], row["correction_corrected_time"]),
    }
    return _differing(claims)


def _of_event(row: RowMapping, kind: Correction, data: Json) -> list[str]:
    """What differs from the event that it corrects, and from the decision that it leaves."""
    corrected = _object(row["corrected_data"])
    claims: dict[str, tuple[Any, Any]] = {
        "event": (
            data["event"],
            {"id": row["corrected_event_id"], "sequence": row["corrected_sequence"]},
        ),
        "the type of the event": (EventType.ACHIEVED.value, row["corrected_type"]),
        "the decision of the event": (
            row["correction_of_decision_id"],
            row["corrected_decision_id"],
        ),
        "the order of the two": (True, (row["corrected_sequence"] or 0) < row["sequence"]),
    }
    claims |= {key: (data[key], corrected.get(key)) for key in _SAME[kind]}
    if kind is Correction.REVOKED:
        told = _object(row["payees_data"]) or corrected
        claims["contributors"] = (data["contributors"], told.get("contributors"))
        claims["decision"] = (
            (Outcome.REVOKED.value, row["correction_of_decision_id"]),
            (row["decision_outcome"], row["decision_supersedes"]),
        )
    else:
        claims["contributors"] = (True, all(each["payable"] for each in data["contributors"]))
        claims["decision"] = (row["decision_id"], row["correction_of_decision_id"])
    return _differing(claims)


def _of_series(row: RowMapping, _kind: Correction, data: Json) -> list[str]:
    """What differs from the decision that holds the head since then."""
    previous = data["previous"] if isinstance(data["previous"], dict) else {}
    claims: dict[str, tuple[Any, Any]] = {
        "the fields of the previous head": (set(previous), {"name", "version", "value"}),
        "decision": (Outcome.BASELINE.value, row["decision_outcome"]),
        "event": (None, row["correction_of_event_id"]),
        "token_id": (data["token_id"], row["decision_token_id"]),
        "benchmark_metric": (data["benchmark_metric"], row["decision_metric"]),
        "direction": (data["direction"], row["decision_direction"]),
        "name": (data["name"], row["decision_decided_name"]),
        "version": (data["version"], str(row["decision_version"])),
        "value": (data["value"], row["decision_value"]),
        "previous": (previous.get("value"), row["decision_baseline_value"]),
        "previous head": (row["correction_of_decision_id"], row["decision_baseline_decision_id"]),
    }
    return _differing(claims)


def _differing(claims: Mapping[str, tuple[Any, Any]]) -> list[str]:
    return [key for key, (told, known) in claims.items() if told != known]
