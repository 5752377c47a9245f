"""What an administrator corrects: a DeltaOne, its payees, the baseline of a series (R19).

Each is an event of its own in the same chain, and each leaves what was paid in a series at the way
from its baseline to its head. Locks are taken in the order of every other write: models, series,
ledger.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, RowMapping

from hokusai_mlflow_plugin.db.deltaone import (
    decision_log,
    paid_runs,
    past_values,
    series_heads,
)
from hokusai_mlflow_plugin.db.deltaone.standing import latest_standing
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, SeriesId, VersionId
from hokusai_mlflow_plugin.db.rewards import correction_rows, review_rows
from hokusai_mlflow_plugin.db.rewards.ledger_rows import event_of
from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTORS_TAG,
    check_contributors,
    contributors_of,
)
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    CorrectionRefused,
    DamagedSeries,
    EventNotFound,
    InvalidRequest,
    SeriesNotFound,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.reward_events import TYPE_OF, Correction, EventType, Verdict
from hokusai_mlflow_plugin.domain.tokens import check_token_id, shown
from hokusai_mlflow_plugin.domain.values import stored_value
from hokusai_mlflow_plugin.services.deltaone import falling_heads
from hokusai_mlflow_plugin.services.rewards import ledger

Json = dict[str, Any]

MAX_REASON = 1000
"""Characters."""


@dataclass(frozen=True)
class Because:
    """Why something is corrected, and who says so."""

    reason: str
    actor: str | None = None
    """The authenticated user; None where the server has none, or on the database itself."""

    def __post_init__(self) -> None:
        text = self.reason
        if not text.strip() or len(text) > MAX_REASON or "\0" in text:
            raise InvalidRequest(
                f"Give a reason in 1 to {MAX_REASON} characters: it is kept, and sent to the "
                "receiver of the events."
            )


@dataclass(frozen=True)
class _Earned:
    """An event of a DeltaOne that stands, with its series locked."""

    row: RowMapping
    decision: Json
    series: SeriesId
    head: Row[Any]

    @property
    def data(self) -> Json:
        return dict(json.loads(self.row["data"]))

    @property
    def named(self) -> Json:
        """The event, as a correction names it."""
        return {"id": self.row["event_id"], "sequence": self.row["sequence"]}


def revoke(connection: Connection, workspace: str, event_id: str, because: Because) -> Json:
    """Take back the latest standing DeltaOne of a series.

    The head goes back to the value that was beaten, the version's decision says ``revoked``, and it
    counts for nothing more. Its run backs nothing any more, and can back another reward (R14).

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the event.
        event_id: Of the DeltaOne.
        because: Why, and who.

    Returns:
        The event of the revocation.

    Raises:
        EventNotFound: There is none.
        CorrectionRefused: It was revoked before, is a correction itself, or a later one stands.
        ConcurrentWrite: Another write was faster; to be begun again.
    """
    live_versions.begin_writing(connection)
    row, decision = _achieved(connection, workspace, event_id)
    beaten = _beaten(connection, decision)
    models = {ModelId(workspace, each["name"]) for each in (decision, beaten)}
    # Their names must not change under the decisions that are about to be written.
    live_versions.lock_models(connection, live_versions.those_there(connection, models))
    earned = _lock(connection, row, decision)
    if (earned.decision["name"], _beaten(connection, earned.decision)["name"]) != (
        decision["name"],
        beaten["name"],
    ):
        raise ConcurrentWrite("A model of this event has just been renamed.")
    latest = latest_standing(connection, earned.series)
    if latest is not None and latest["event_id"] != event_id:
        raise CorrectionRefused(
            f"A later DeltaOne of this series stands, and was measured against this one: revoke "
            f"event {latest['event_id']} first."
        )
    return _revoke(connection, earned, beaten, because)


def _revoke(connection: Connection, earned: _Earned, beaten: Json, because: Because) -> Json:
    workspace, decision, key = earned.series.workspace, earned.decision, earned.series
    payees = correction_rows.read_correction(
        connection, workspace, earned.row["event_id"], Correction.PAYEES_NAMED
    )
    told = json.loads((payees or earned.row)["data"])
    data = {
        **{name: earned.data[name] for name in REVOKED_SAME},
        "event": earned.named,
        "contributors": told["contributors"],
        "reason": because.reason,
    }
    revoked = _as_revoked(decision, because)
    event = _write(connection, earned.series, revoked, data, because, Correction.REVOKED, earned)
    decision_log.record_decision(connection, revoked)
    version = VersionId(workspace, decision["name"], decision["version"])
    correction_rows.put_in_force(
        connection, version, decision["decision_id"], revoked["decision_id"]
    )
    review = review_rows.read(connection, workspace, earned.row["event_id"])
    if review.is_pending:  # it is rejected; where somebody approves it just now, it was
        review_rows.decide(
            connection,
            workspace,
            earned.row["event_id"],
            Verdict.REJECTED,
            because.reason,
            because.actor,
            event["timestamp"],
        )
    paid_runs.give_back_all(connection, workspace, decision["decision_id"])
    is_baseline = latest_standing(connection, key) is None
    # By its value: what carried the head back to this DeltaOne has an id of its own.
    if stored_value(earned.head.head_value) == stored_value(decision["value"]):
        reason = (
            f"The head goes back to {beaten['value']}, because event {event['sequence']} revoked "
            f"the DeltaOne over it: {because.reason}"
        )
        back = falling_heads.carried(beaten)
        falling_heads.lower(connection, key, earned.head, back, reason, is_baseline=is_baseline)
    elif is_baseline:  # values from past the plugin have raised it since, and stay
        series_heads.begin_anew(connection, key)
    return event


def name_payees(
    connection: Connection, workspace: str, event_id: str, contributors: str, because: Because
) -> Json:
    """Name the payees of a standing DeltaOne that had nobody who can be paid.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the event.
        event_id: Of the DeltaOne.
        contributors: As tag ``contributors`` has them (R11).
        because: Why, and who.

    Returns:
        The event of the correction.

    Raises:
        InvalidRequest: The contributors cannot be used.
        EventNotFound: There is no such event.
        CorrectionRefused: It has payees, was revoked, or is a correction itself.
    """
    tags = {CONTRIBUTORS_TAG: contributors}
    if violation := check_contributors(tags):
        raise InvalidRequest(violation.message)
    payees = [ledger.contributor_of(each) for each in contributors_of(tags)]
    if unpayable := [each["contributor"] for each in payees if not each["payable"]]:
        raise InvalidRequest(f"Nobody can be paid at {unpayable[0]}.")
    live_versions.begin_writing(connection)
    earned = _lock(connection, *_achieved(connection, workspace, event_id))
    if review_rows.read(connection, workspace, event_id).is_held:
        raise CorrectionRefused(
            "This event was not approved yet: review it first, then name payees."
        )
    named = correction_rows.read_correction(
        connection, workspace, event_id, Correction.PAYEES_NAMED
    )
    if named is not None or any(each["payable"] for each in earned.data["contributors"]):
        raise CorrectionRefused(
            "This event has payees already. To pay others, revoke it and register the version "
            "again as a new one."
        )
    data = {
        **{name: earned.data[name] for name in PAYEES_SAME},
        "event": earned.named,
        "contributors": payees,
        "reason": because.reason,
    }
    kind = Correction.PAYEES_NAMED
    return _write(connection, earned.series, earned.decision, data, because, kind, earned)


def rebase(
    connection: Connection,
    workspace: str,
    token_id: str,
    metric: str,
    because: Because,
    catalogue: Catalogue,
) -> Json:
    """Have a series begin with the best value of the versions left, where nobody earned its head.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the series.
        token_id: Its token.
        metric: Its metric, by any of its names.
        because: Why, and who.
        catalogue: Metrics by name.

    Returns:
        The event of the correction.

    Raises:
        InvalidRequest: The token id breaks R1.
        SeriesNotFound: There is none.
        CorrectionRefused: A standing DeltaOne holds its head, no version is left, or the best one
            still has the value to beat.
        ConcurrentWrite: Another write was faster; to be begun again.
    """
    if violation := check_token_id(token_id):
        raise InvalidRequest(violation.message)
    key = SeriesId(workspace, token_id, catalogue.canonical(metric))
    known = catalogue.get(key.benchmark_metric)
    live_versions.begin_writing(connection)
    head = past_values.read_head(connection, key)
    if head is None:
        raise SeriesNotFound(token_id, metric)
    first = falling_heads.next_head(connection, key, head, known)
    if first is not None:
        models = {ModelId(workspace, first["name"])}
        live_versions.lock_models(connection, live_versions.those_there(connection, models))
    head = past_values.lock_head(connection, key)
    if head is None:
        raise SeriesNotFound(token_id, metric)
    found = falling_heads.next_head(connection, key, head, known)
    if found is None:
        raise CorrectionRefused(
            "No live version of this series is left to begin with. Register one with the right "
            "value first: it becomes the baseline."
        )
    if first is None or found["name"] != first["name"]:
        raise ConcurrentWrite("Another version of this series has just become the best.")
    held = decision_log.read_decision(connection, workspace, head.head_decision_id)
    if held is None:
        raise DamagedSeries(token_id, key.benchmark_metric)
    _require_lower(connection, key, head, found)
    standing = latest_standing(connection, key)
    reason = (
        f"The head goes down from {head.head_value} to {found['value']}, the best value left, by "
        f"an administrator's correction: {because.reason}"
    )
    lowered = falling_heads.lower(
        connection, key, head, found, reason, is_baseline=standing is None
    )
    data = {
        "workspace": workspace,
        "token_id": token_id,
        "benchmark_metric": key.benchmark_metric,
        "direction": head.direction,
        "name": lowered["name"],
        "version": str(lowered["version"]),
        "value": lowered["value"],
        "previous": {
            "name": held["name"],
            "version": str(held["version"]),
            "value": head.head_value,
        },
        "reason": because.reason,
    }
    return _write(connection, key, lowered, data, because, Correction.REBASED, None)


REVOKED_SAME = (
    "workspace",
    "token_id",
    "name",
    "version",
    "benchmark_metric",
    "direction",
    "baseline",
    "value",
    "improvement_pp",
)
"""What a revocation repeats of the event that it revokes."""
PAYEES_SAME = ("workspace", "token_id", "name", "version", "benchmark_metric", "improvement_pp")
"""What an event that names payees repeats of the one that they are paid for."""


def correction_id(ledger_id: str, kind: Correction, of: str) -> str:
    """The id of a correction's event: there is one of a kind of each event, or of each head.

    Args:
        ledger_id: Of the workspace's ledger.
        kind: What is corrected.
        of: The id of the corrected event; of a series, that of the decision that held its head.
    """
    return ledger.derived_id(ledger_id, [kind.value, of])


def _achieved(connection: Connection, workspace: str, event_id: str) -> tuple[RowMapping, Json]:
    """The event of a DeltaOne, and its decision."""
    row = correction_rows.read_event(connection, workspace, event_id)
    if row is None:
        raise EventNotFound(shown(event_id))
    if row["type"] != EventType.ACHIEVED.value:
        of = json.loads(row["data"]).get("event", {}).get("id")
        raise CorrectionRefused(
            "This event is a correction itself, which stays."
            + (f" The DeltaOne that it is about is event {of}." if of else "")
        )
    return row, _decision(connection, workspace, row["decision_id"])


def _decision(connection: Connection, workspace: str, decision_id: str | None) -> Json:
    decision = decision_log.read_decision(connection, workspace, decision_id)
    if decision is None:
        raise CorrectionRefused(
            "The decision that this event rests on is gone from the database. Run "
            "'hokusai-mlflow rewards verify', and restore what is missing first."
        )
    return decision


def _beaten(connection: Connection, decision: Mapping[str, Any]) -> Json:
    """The decision that held the head before a DeltaOne."""
    return _decision(connection, decision["workspace"], decision["baseline_decision_id"])


def _lock(connection: Connection, row: RowMapping, decision: Mapping[str, Any]) -> _Earned:
    """Lock the series of an event, which has to stand then."""
    workspace = row["workspace"]
    key = SeriesId(workspace, decision["token_id"], decision["benchmark_metric"])
    head = past_values.lock_head(connection, key)
    if head is None:
        raise DamagedSeries(key.token_id, key.benchmark_metric)
    revoked = correction_rows.read_correction(
        connection, workspace, row["event_id"], Correction.REVOKED
    )
    if revoked is not None:
        raise CorrectionRefused(f"This event was revoked already, by event {revoked['event_id']}.")
    return _Earned(row, _decision(connection, workspace, row["decision_id"]), key, head)


def _as_revoked(decision: Json, because: Because) -> Json:
    """The decision in force on a version whose DeltaOne was revoked."""
    return {
        **{key: value for key, value in decision.items() if key != "seal"},
        "decision_id": str(uuid.uuid4()),
        "outcome": Outcome.REVOKED.value,
        "supersedes": decision["decision_id"],
        "decided_time": _now_ms(),
        "reason": f"An administrator revoked this DeltaOne: {because.reason}",
    }


def _require_lower(connection: Connection, key: SeriesId, head: Row[Any], found: Json) -> None:
    if falling_heads.is_lower(head, found["value"]):
        return
    standing = latest_standing(connection, key)
    if standing is not None and standing["value"] == head.head_value:
        raise CorrectionRefused(
            f"The value to beat, {head.head_value}, was earned: revoke event "
            f"{standing['event_id']} instead."
        )
    raise CorrectionRefused(
        f"Version {found['version']} of model {shown(found['name'])} still has the value to beat, "
        f"{head.head_value}. Amend its benchmark_value, or delete that version, first."
    )


def _write(
    connection: Connection,
    key: SeriesId,
    decision: Mapping[str, Any],
    data: Json,
    because: Because,
    kind: Correction,
    of: _Earned | None,
) -> Json:
    """Write the event of a correction, and what no event tells of it; the event as it is read."""
    workspace = key.workspace
    tail = ledger.lock(connection, workspace)
    of_decision = of.decision["decision_id"] if of else decision["baseline_decision_id"]
    of_event = of.row["event_id"] if of else None
    now_ms = _now_ms()
    event_id = correction_id(tail.ledger_id, kind, of_event or of_decision)
    entry = ledger.Entry(
        event_id, TYPE_OF[kind], now_ms, key.token_id, decision["decision_id"], data
    )
    ledger.write(connection, workspace, tail, entry)
    correction_rows.record(
        connection,
        {
            "workspace": workspace,
            "event_id": event_id,
            "kind": kind.value,
            "of_event_id": of_event,
            "of_decision_id": of_decision,
            "reason": because.reason,
            "actor": because.actor,
            "corrected_time": now_ms,
        },
    )
    written = correction_rows.read_event(connection, workspace, event_id)
    assert written is not None  # noqa: S101  # it was just written
    return event_of(written)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
