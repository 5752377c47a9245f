"""What every correction has: a reason, the DeltaOne that it is about, an event of its own (R19).

Locks are taken in the order of every other write: models, series, ledger.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log, past_values
from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.db.rewards import correction_rows
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.domain.errors import (
    CorrectionRefused,
    DamagedSeries,
    EventNotFound,
    InvalidRequest,
)
from hokusai_mlflow_plugin.domain.reward_events import TYPE_OF, Correction, EventType
from hokusai_mlflow_plugin.domain.tokens import shown
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
class Earned:
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


def achieved(connection: Connection, workspace: str, event_id: str) -> tuple[RowMapping, Json]:
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
    return row, decision_of(connection, workspace, row["decision_id"])


def decision_of(connection: Connection, workspace: str, decision_id: str | None) -> Json:
    """A decision that a correction rests on, which has to be there."""
    decision = decision_log.read_decision(connection, workspace, decision_id)
    if decision is None:
        raise CorrectionRefused(
            "The decision that this event rests on is gone from the database. Run "
            "'hokusai-mlflow rewards verify', and restore what is missing first."
        )
    return decision


def lock_standing(connection: Connection, row: RowMapping, decision: Mapping[str, Any]) -> Earned:
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
    return Earned(row, decision_of(connection, workspace, row["decision_id"]), key, head)


def correction_id(ledger_id: str, kind: Correction, of: str) -> str:
    """The id of a correction's event: there is one of a kind of each event, or of each head.

    Args:
        ledger_id: Of the workspace's ledger.
        kind: What is corrected.
        of: The id of the corrected event; of a series, that of the decision that held its head.
    """
    return ledger.derived_id(ledger_id, [kind.value, of])


def write(
    connection: Connection,
    key: SeriesId,
    decision: Mapping[str, Any],
    data: Json,
    because: Because,
    kind: Correction,
    of: Earned | None,
) -> Json:
    """Write the event of a correction, and what no event tells of it; the event as it is read."""
    workspace = key.workspace
    tail = ledger.lock(connection, workspace)
    of_decision = of.decision["decision_id"] if of else decision["baseline_decision_id"]
    of_event = of.row["event_id"] if of else None
    written_ms = now_ms()
    event_id = correction_id(tail.ledger_id, kind, of_event or of_decision)
    entry = ledger.Entry(
        event_id, TYPE_OF[kind], written_ms, key.token_id, decision["decision_id"], data
    )
    with joined_writes(connection) as writes:
        ledger.write(connection, writes, workspace, tail, entry)
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
            "corrected_time": written_ms,
        },
    )
    written = correction_rows.read_event(connection, workspace, event_id)
    assert written is not None  # noqa: S101  # it was just written
    return event_of(written)


def now_ms() -> int:
    """The time."""
    return time.time_ns() // 1_000_000
