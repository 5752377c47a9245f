"""What the reward service did about an event, said once and for all (R20)."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.rewards import (
    correction_rows,
    event_rows,
    review_rows,
    settlement_rows,
)
from hokusai_mlflow_plugin.domain.errors import CorrectionRefused, EventNotFound, InvalidRequest
from hokusai_mlflow_plugin.domain.reward_events import EventType, SettlementStatus
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.rewards.history_entries import (
    Action,
    decision_of_event,
    put_on_record,
)
from hokusai_mlflow_plugin.services.rewards.ledger import lock

Json = dict[str, Any]

MAX_REFERENCE = 256
"""Characters."""


def settle(
    connection: Connection,
    workspace: str,
    event_id: str,
    status: SettlementStatus,
    reference: str,
    actor: str | None,
) -> Json:
    """Keep what was done about an event; the same again changes nothing.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the event.
        event_id: Of the DeltaOne.
        status: Whether it was paid.
        reference: What the reward service knows it by, e.g. the hash of a transaction.
        actor: Who says so; None where the server has no users, or on the database itself.

    Returns:
        ``id``, ``sequence``, ``status``, ``reference``, ``settled_timestamp``, and ``state``: that
        of the event, which is still ``revoked`` where it was revoked before it was settled.

    Raises:
        InvalidRequest: The reference cannot be used.
        EventNotFound: There is no such event.
        CorrectionRefused: It is a correction, in review, or settled otherwise.
    """
    if not _is_reference(reference):
        raise InvalidRequest(
            f"Parameter reference is {shown(reference)}: use 1 to {MAX_REFERENCE} printable "
            "characters without a blank at either end, such as the hash of a transaction."
        )
    live_versions.begin_writing(connection)
    row = correction_rows.read_event(connection, workspace, event_id)
    if row is None:
        raise EventNotFound(shown(event_id))
    if row["type"] != EventType.ACHIEVED.value:
        raise CorrectionRefused("This event is a correction. Settle the DeltaOne that it is about.")
    decision = decision_of_event(connection, row)
    lock(connection, workspace)
    if review_rows.read(connection, workspace, event_id).is_held:
        raise CorrectionRefused("This event was not delivered: no reviewer has approved it.")
    settled_ms = time.time_ns() // 1_000_000
    settlement = {
        "workspace": workspace,
        "event_id": event_id,
        "status": status.value,
        "reference": reference,
        "actor": actor,
        "settled_time": settled_ms,
    }
    if settlement_rows.settle(connection, settlement):
        put_on_record(
            connection,
            Action.SETTLED,
            row,
            decision,
            actor,
            settled_ms,
            event_id=event_id,
            status=status.value,
            reference=reference,
        )
    found = settlement_rows.read(connection, workspace, event_id)
    assert found is not None  # noqa: S101  # it was just written, now or before
    if (found["status"], found["reference"]) != (status.value, reference):
        raise CorrectionRefused(
            f"This event was settled already, as {found['status']} with reference "
            f"{shown(found['reference'])}. A settlement does not change."
        )
    return {
        "id": event_id,
        "sequence": found["sequence"],
        "status": found["status"],
        "reference": found["reference"],
        "settled_timestamp": found["settled_time"],
        "state": found["state"],
    }


def unsettled(
    connection: Connection, workspace: str, older_than_ms: int, after: int, limit: int
) -> list[Json]:
    """Events that stand, may be paid, and of which no settlement is known, oldest first.

    Args:
        connection: A connection.
        workspace: That of the ledger.
        older_than_ms: How long ago they were written at least.
        after: Only those after this sequence number.
        limit: How many at most.

    Returns:
        Events, each with its ``state``.
    """
    before_ms = time.time_ns() // 1_000_000 - older_than_ms
    rows = settlement_rows.unsettled(connection, workspace, before_ms, after, limit)
    return [{**event_rows.event_of(row), "state": row["state"]} for row in rows]


def _is_reference(text: str) -> bool:
    return 1 <= len(text) <= MAX_REFERENCE and text.isprintable() and text == text.strip()
