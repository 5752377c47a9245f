"""What one event says, held against itself, its decision and its version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import RowMapping

from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.db.rewards.payee_tags import EventVersion
from hokusai_mlflow_plugin.domain.contributors import contributors_of
from hokusai_mlflow_plugin.domain.delta import against
from hokusai_mlflow_plugin.domain.reward_events import EventType, Verdict
from hokusai_mlflow_plugin.services.rewards.correction_checks import (
    CORRECTIONS,
    are_contributors,
    correction_faults,
    is_canonical,
)
from hokusai_mlflow_plugin.services.rewards.ledger import (
    ACTOR_KEY,
    DATA_KEYS,
    SINCE_0004,
    contributor_of,
    event_hash,
    step_id,
)
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Found

Json = dict[str, Any]


def event_faults(row: RowMapping, version: EventVersion | None) -> Iterator[Found]:
    """Every fault that one event shows, its place in the chain and its delivery apart.

    Args:
        row: It, as ``ledger_checks`` reads it.
        version: The version that earned it; None where it is gone, or was moved.
    """
    if not is_intact(row):
        yield "event_edited", "does not have the content that its hash was made of."
    if row["type"] in CORRECTIONS:
        yield from correction_faults(row)
        return
    data = _data(row)
    if problem := _malformation(row, data):
        yield "event_malformed", problem
    if problem := _contradiction(row, data):
        yield "decision_differs", problem
    if row["ledger_id"] is not None and not _has_own_id(row, data):
        yield "id_differs", "does not have the id that follows from its ledger and its step."
    if problem := _review_problem(row):
        yield "review_differs", problem
    if version is not None:
        yield from _version_faults(data, version)


def is_intact(row: RowMapping) -> bool:
    """Whether an event has the content that its hash was made of."""
    try:
        return bool(event_hash(event_of(row)) == row["hash"])
    except (ValueError, RecursionError):  # what no event was ever written with
        return False


def _data(row: RowMapping) -> Json:
    """What the event tells; empty where it is none."""
    try:
        data = json.loads(row["data"])
    except (ValueError, RecursionError):  # its hash tells that it was edited
        return {}
    return data if isinstance(data, dict) and isinstance(data.get("baseline"), dict) else {}


def _malformation(row: RowMapping, data: Json) -> str | None:
    """How the event differs in form from any that the registry writes, or None."""
    if row["type"] != EventType.ACHIEVED.value:
        return "has a type that the registry does not write."
    fields = DATA_KEYS if row["decision_threshold_pp"] is not None else DATA_KEYS - SINCE_0004
    if set(data) - {ACTOR_KEY} != fields or set(data["baseline"]) != {"name", "version", "value"}:
        return "does not have exactly the fields of an event."
    if (data["workspace"], data["token_id"]) != (row["workspace"], row["token_id"]):
        return "has another workspace or token in its data than beside it."
    if not are_contributors(data["contributors"]):
        return "has contributors that the registry does not write."
    return None if is_canonical(row, data) else "is not written in canonical JSON."


def _has_own_id(row: RowMapping, data: Json) -> bool:
    """Whether an event has the id that ``ledger.append`` gives to its step in its ledger."""
    try:
        own = step_id(
            row["ledger_id"],
            data["token_id"],
            data["benchmark_metric"],
            data["baseline"]["value"],
            row["decision_falls"] or 0,
        )
    except (ValueError, TypeError, KeyError, RecursionError):  # what nobody ever wrote
        return False
    return bool(row["event_id"] == own)


def _contradiction(row: RowMapping, data: Json) -> str | None:
    """What the event says other than its decision, or None."""
    if row["decision_outcome"] != "achieved":
        return "stands for no achieved decision."
    baseline = data.get("baseline", {})
    claims = {
        # A rename moves the decision's name; the event keeps that of its time.
        "name": (data.get("name"), row["decision_decided_name"]),
        "version": (data.get("version"), str(row["decision_version"])),
        "token_id": (data.get("token_id"), row["decision_token_id"]),
        "benchmark_metric": (data.get("benchmark_metric"), row["decision_metric"]),
        "direction": (data.get("direction"), row["decision_direction"]),
        "value": (data.get("value"), row["decision_value"]),
        "improvement_pp": (data.get("improvement_pp"), row["decision_improvement_pp"]),
        "baseline": (baseline.get("value"), row["decision_baseline_value"]),
        "evidence": (data.get("evidence"), row["decision_evidence"]),
        # Neither was told of before revision 0004.
        "unit": (data.get("unit"), row["decision_unit"]),
        "threshold_pp": (data.get("threshold_pp"), row["decision_threshold_pp"]),
        "timestamp": (row["event_time"], row["decision_time"]),
    }
    if ACTOR_KEY in data:
        claims[ACTOR_KEY] = (data[ACTOR_KEY], row["decision_actor"])
    differing = [key for key, (told, decided) in claims.items() if told != decided]
    # Under which name the head's version was known then, the decision's reason alone tells.
    beaten = against(baseline.get("value"), baseline.get("name"), baseline.get("version"))
    if f"{beaten}: " not in row["decision_reason"]:
        differing.append("the version that it was measured against")
    return f"differs from its decision in {', '.join(differing)}." if differing else None


def _review_problem(row: RowMapping) -> str | None:
    """What the review of an event says other than the rest of it, or None."""
    is_approved = row["review_verdict"] == Verdict.APPROVED.value
    if row["review_asked"] is not None and not is_approved and row["delivery_status"] is not None:
        return "has a delivery, and no reviewer has approved it."
    if row["review_decided"] is None:
        is_left_open = row["review_asked"] is not None and row["is_revoked"]
        return "was revoked, and its review is still open." if is_left_open else None
    if row["review_asked"] is None:
        return "has a verdict of a review that nobody asked for."
    if row["review_verdict"] == Verdict.REJECTED.value and not row["is_revoked"]:
        return "was rejected, and not revoked."
    return None


def _version_faults(data: Json, version: EventVersion) -> Iterator[Found]:
    if version.is_live and data.get("run_id") != (version.run_id or None):
        yield "run_differs", "names another run than its version was registered from."
    if version.may_differ:
        return
    try:
        payees = [contributor_of(each) for each in contributors_of(version.payee_tags)]
    except (ValueError, TypeError, KeyError, RecursionError):  # tags that nobody could write
        payees = None
    if data.get("contributors") != payees:
        message = "names other contributors than its version's tags, which a reward locks."
        yield "payees_differ", message
