"""A DeltaOne is taken back (R19)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import decision_log, paid_runs, series_heads
from hokusai_mlflow_plugin.db.deltaone.standing import latest_standing
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.rewards import correction_rows, review_rows
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite, CorrectionRefused
from hokusai_mlflow_plugin.domain.reward_events import Correction, Verdict
from hokusai_mlflow_plugin.domain.values import stored_value
from hokusai_mlflow_plugin.services.deltaone import falling_heads
from hokusai_mlflow_plugin.services.rewards.corrections import (
    Because,
    Earned,
    achieved,
    decision_of,
    lock_standing,
    now_ms,
    write,
)
from hokusai_mlflow_plugin.services.rewards.history_entries import Action, put_on_record

Json = dict[str, Any]

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
    row, decision = achieved(connection, workspace, event_id)
    beaten = _beaten(connection, decision)
    models = {ModelId(workspace, each["name"]) for each in (decision, beaten)}
    # Their names must not change under the decisions that are about to be written.
    live_versions.lock_models(connection, live_versions.those_there(connection, models))
    earned = lock_standing(connection, row, decision)
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


def _revoke(connection: Connection, earned: Earned, beaten: Json, because: Because) -> Json:
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
    event = write(connection, earned.series, revoked, data, because, Correction.REVOKED, earned)
    with joined_writes(connection) as writes:
        decision_log.record_decision(writes, revoked)
    version = VersionId(workspace, decision["name"], decision["version"])
    correction_rows.put_in_force(
        connection, version, decision["decision_id"], revoked["decision_id"]
    )
    review = review_rows.read(connection, workspace, earned.row["event_id"])
    action = Action.REVOKED
    if review.is_pending:  # it is rejected; where somebody approves it just now, it was
        is_rejected = review_rows.decide(
            connection,
            workspace,
            earned.row["event_id"],
            Verdict.REJECTED,
            because.reason,
            because.actor,
            event["timestamp"],
        )
        action = Action.REJECTED if is_rejected else action
    paid_runs.give_back_all(connection, workspace, decision["decision_id"])
    is_baseline = latest_standing(connection, key) is None
    # By its value: what carried the head back to this DeltaOne has an id of its own.
    if stored_value(earned.head.head_value) == stored_value(decision["value"]):
        reason = (
            f"The head goes back to {beaten['value']}, because event {event['sequence']} revoked "
            f"the DeltaOne over it: {because.reason}"
        )
        back = falling_heads.carried(beaten)
        falling_heads.lower(
            connection,
            key,
            earned.head,
            back,
            reason,
            is_baseline=is_baseline,
            actor=because.actor,
        )
    elif is_baseline:  # values from past the plugin have raised it since, and stay
        series_heads.begin_anew(connection, key)
    put_on_record(
        connection,
        action,
        earned.row,
        decision,
        because.actor,
        event["timestamp"],
        event_id=earned.row["event_id"],
        reason=because.reason,
    )
    return event


def _beaten(connection: Connection, decision: Mapping[str, Any]) -> Json:
    """The decision that held the head before a DeltaOne."""
    return decision_of(connection, decision["workspace"], decision["baseline_decision_id"])


def _as_revoked(decision: Json, because: Because) -> Json:
    """The decision in force on a version whose DeltaOne was revoked."""
    return {
        **{key: value for key, value in decision.items() if key != "seal"},
        "decision_id": str(uuid.uuid4()),
        "outcome": Outcome.REVOKED.value,
        "supersedes": decision["decision_id"],
        "decided_time": now_ms(),
        "reason": f"An administrator revoked this DeltaOne: {because.reason}",
        "actor": because.actor,
    }
