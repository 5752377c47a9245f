"""What must hold of decisions, heads and reward events, checked apart from the plugin's code."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, text

from hokusai_mlflow_plugin.domain.reward_events import SettlementStatus
from hokusai_mlflow_plugin.services.queries import deltaone
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards import (
    payee_naming,
    rebasing,
    reviewing,
    revocation,
    settlement,
)
from hokusai_mlflow_plugin.services.rewards.corrections import Because
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault
from hokusai_mlflow_plugin.services.rewards.ledger_verification import find_faults
from hokusai_mlflow_plugin.store.retries import begin_again

Json = dict[str, Any]
Series = tuple[str, str, str]


def detect(store: Any, name: str = "model", version: int | str | None = None) -> Json:
    """What ``deltaone/detect`` answers."""
    return store.ask(deltaone.detect, name, version=None if version is None else int(version))


def decision(store: Any, name: str = "model", version: int | str | None = None) -> Json:
    """The decision in force on a version, the latest tokenised one by default."""
    found = detect(store, name, version)["decision"]
    assert found is not None
    return found


def outcome(store: Any, name: str = "model", version: int | str | None = None) -> str:
    """Its outcome."""
    return decision(store, name, version)["outcome"]


def outcomes(store: Any, name: str = "model", versions: int = 1) -> list[str]:
    """The outcomes of a model's first versions."""
    return [outcome(store, name, version) for version in range(1, versions + 1)]


def events(store: Any, **parameters: Any) -> list[Json]:
    """The reward events, as ``reward-events/list`` gives them, up to 1000."""
    return store.ask(list_events, max_results=1000, **parameters)["reward_events"]


def paid(store: Any) -> list[tuple[str, str, str]]:
    """Name and version of each event's model version, and its improvement in points."""
    return [
        (event["data"]["name"], event["data"]["version"], event["data"]["improvement_pp"])
        for event in events(store)
    ]


def faults(store: Any) -> list[LedgerFault]:
    """What the verification of the ledger finds."""
    with store.engine.connect() as connection:
        return list(find_faults(connection))


def codes(store: Any) -> list[tuple[int, str]]:
    """Sequence and code of each fault that the verification finds."""
    return [(fault.sequence, fault.code) for fault in faults(store)]


def corrected(store: Any, change: Callable[[Connection], Json]) -> Json:
    """What the commands and routes of corrections do: one transaction, again after a lost race."""
    options = {}
    if store.engine.dialect.name in ("mysql", "mariadb"):
        options = {"isolation_level": "READ COMMITTED"}

    def once() -> Json:
        with store.engine.execution_options(**options).begin() as connection:
            return change(connection)

    return begin_again(once)


def revoke(store: Any, event_id: str, reason: str = "a typo", actor: str | None = None) -> Json:
    """Revoke a DeltaOne of the default workspace; the event of the revocation."""
    because = Because(reason, actor)
    return corrected(store, lambda c: revocation.revoke(c, "default", event_id, because))


def rebase(
    store: Any, token_id: str, metric: str, reason: str = "a typo", actor: str | None = None
) -> Json:
    """Rebase a series of the default workspace; the event of that."""
    args = "default", token_id, metric, Because(reason, actor), store.settings.catalogue
    return corrected(store, lambda c: rebasing.rebase(c, *args))


def name_payees(
    store: Any,
    event_id: str,
    contributors: str,
    reason: str = "forgotten",
    actor: str | None = None,
) -> Json:
    """Name the payees of a DeltaOne of the default workspace; the event of that."""
    args = "default", event_id, contributors, Because(reason, actor)
    return corrected(store, lambda c: payee_naming.name_payees(c, *args))


def approve(store: Any, event_id: str, actor: str | None = None) -> Json:
    """Approve an event that is in review; the event."""
    return corrected(store, lambda c: reviewing.approve(c, "default", event_id, actor))


def reject(store: Any, event_id: str, reason: str = "no", actor: str | None = None) -> Json:
    """Reject an event that is in review; the event of its revocation."""
    because = Because(reason, actor)
    return corrected(store, lambda c: reviewing.reject(c, "default", event_id, because))


def settle(
    store: Any,
    event_id: str,
    reference: str = "0x1",
    status: str = "paid",
    actor: str | None = None,
) -> Json:
    """Settle an event; the settlement."""
    args = "default", event_id, SettlementStatus(status), reference, actor
    return corrected(store, lambda c: settlement.settle(c, *args))


def unsettled(store: Any, older_than_ms: int = 0) -> list[int]:
    """The sequence numbers of events that nothing is known to be done about."""
    with store.engine.connect() as connection:
        found = settlement.unsettled(connection, "default", older_than_ms, 0, 1000)
    return [event["sequence"] for event in found]


def states(store: Any) -> list[str]:
    """How each event stands, in their order."""
    answer = store.ask(list_events, max_results=1000)
    return [answer["states"][event["id"]] for event in answer["reward_events"]]


def rows(connection: Connection, table: str) -> list[Json]:
    """Every row of one of the project's tables."""
    return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]


def decided_rows(store: Any) -> list[Json]:
    """Every decision ever recorded."""
    with store.engine.connect() as connection:
        return rows(connection, "hokusai_decisions")


def assert_sound(store: Any) -> None:
    """Heads, decisions, events and chain agree with each other, and nothing is wrong with them.

    In each series every DeltaOne, every value that raised the head for nothing, and every
    correction that lowered it, was measured against the head that the one before it left; what
    stands of the DeltaOnes is the way from the baseline to the head.
    """
    with store.engine.connect() as connection:
        decisions = rows(connection, "hokusai_decisions")
        series = rows(connection, "hokusai_series")
        ledger = rows(connection, "hokusai_reward_ledgers")
        written = rows(connection, "hokusai_reward_events")
        deliveries = rows(connection, "hokusai_reward_deliveries")
        corrected = rows(connection, "hokusai_reward_corrections")
        reviews = rows(connection, "hokusai_reward_reviews")
    written.sort(key=lambda row: (row["workspace"], row["sequence"]))
    _assert_series(decisions, series, _revoked(corrected))
    _assert_one_event_each(decisions, written)
    _assert_corrections(corrected, written)
    _assert_steps(decisions, written)
    _assert_chains(ledger, written)
    approved = {row["event_id"] for row in reviews if row["verdict"] == "approved"}
    held = {row["event_id"] for row in reviews} - approved
    sent = [_place(row) for row in written if row["event_id"] not in held]
    assert sorted(map(_place, deliveries)) == sent
    assert faults(store) == []


def _revoked(corrected: list[Json]) -> set[str]:
    return {row["of_decision_id"] for row in corrected if row["kind"] == "revoked"}


def _assert_series(decisions: list[Json], series: list[Json], revoked: set[str]) -> None:
    by_series = defaultdict(list)
    for row in decisions:
        by_series[_series(row)].append(row)
    for row in series:
        own = by_series.pop(_series(row))
        sign = {"maximize": 1, "minimize": -1}[row["direction"]]
        moves = [each for each in own if each["outcome"] in ("baseline", "achieved")]
        following = {each["baseline_decision_id"]: each for each in moves}
        assert len(following) == len(moves)
        head = following.pop(None)  # the first value
        assert head["outcome"] == "baseline"
        baseline, standing, raised, falls = head["value"], [], Decimal(0), 0
        while step := following.pop(head["decision_id"], None):
            points = (Decimal(step["value"]) - Decimal(head["value"])) * 100 * sign
            assert Decimal(step["improvement_pp"]) == points
            assert step["baseline_value"] == head["value"]
            if step["outcome"] == "achieved":
                assert points >= 1
                standing += [step] if step["decision_id"] not in revoked else []
            elif points < 0:  # a correction
                falls += 1
            elif standing:  # raised by the past, after something was earned
                raised += points
            head = step
            assert (step["falls"] or 0) == falls
        assert following == {}
        assert (row["head_value"], row["head_decision_id"]) == (head["value"], head["decision_id"])
        assert (row["falls"] or 0) == falls
        # What stands lies end to end, from the baseline up.
        baseline = standing[0]["baseline_value"] if standing else head["value"]
        assert baseline == row["baseline_value"]
        for below, above in pairwise(standing):
            assert raised or below["value"] == above["baseline_value"]
        total = sum((Decimal(each["improvement_pp"]) for each in standing), raised)
        if not raised or not falls:
            assert total == (Decimal(head["value"]) - Decimal(baseline)) * 100 * sign
    for own in by_series.values():
        assert {each["outcome"] for each in own} <= {"direction_unknown", "copy"}


def _assert_corrections(corrected: list[Json], written: list[Json]) -> None:
    """Each has one event; nothing is revoked, and nobody is named, twice."""
    events = [row for row in written if row["type"] != "hokusai.deltaone.achieved"]
    assert sorted(row["event_id"] for row in events) == sorted(c["event_id"] for c in corrected)
    once = [(row["kind"], row["of_event_id"]) for row in corrected if row["of_event_id"]]
    assert len(set(once)) == len(once)


def _assert_one_event_each(decisions: list[Json], written: list[Json]) -> None:
    achieved = [row["decision_id"] for row in decisions if row["outcome"] == "achieved"]
    assert len({row["event_id"] for row in written}) == len(written)
    written = [row for row in written if row["type"] == "hokusai.deltaone.achieved"]
    assert Counter(row["decision_id"] for row in written) == Counter(achieved)
    by_id = {row["decision_id"]: row for row in decisions}
    for row in written:
        own, data = by_id[row["decision_id"]], json.loads(row["data"])
        for key in ("token_id", "benchmark_metric", "value", "improvement_pp", "direction"):
            assert data[key] == own[key]
        assert data["baseline"]["value"] == own["baseline_value"]


def _assert_steps(decisions: list[Json], written: list[Json]) -> None:
    """The events of a series are in the order in which the head moved."""
    written = [row for row in written if row["type"] == "hokusai.deltaone.achieved"]
    places = {row["decision_id"]: row["sequence"] for row in written}
    by_id = {row["decision_id"]: row for row in decisions}
    for decision_id, place in places.items():
        before = by_id[decision_id]
        while before := by_id.get(before["baseline_decision_id"]):
            assert places.get(before["decision_id"], 0) < place


def _assert_chains(ledger: list[Json], written: list[Json]) -> None:
    """Numbered from 1 without gaps, each with the hash of the one before, up to the end."""
    ends = {row["workspace"]: (0, 64 * "0") for row in ledger}
    for row in written:
        sequence, digest = ends[row["workspace"]]
        assert row["sequence"] == sequence + 1
        assert row["previous_hash"] == digest
        assert row["hash"] == own_hash(row)
        ends[row["workspace"]] = row["sequence"], row["hash"]
    assert ends == {r["workspace"]: (r["last_sequence"], r["last_hash"]) for r in ledger}


def own_hash(row: Json) -> str:
    """The hash of an event's row, worked out by other means than in the code."""
    event = {
        "sequence": row["sequence"],
        "id": row["event_id"],
        "type": row["type"],
        "timestamp": row["event_time"],
        "token_id": row["token_id"],
        "data": json.loads(row["data"]),
        "previous_hash": row["previous_hash"],
    }
    content = json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _series(row: Json) -> Series:
    return row["workspace"], row["token_id"], row["benchmark_metric"]


def _place(row: Json) -> tuple[str, int]:
    return row["workspace"], row["sequence"]
