"""A second pair of eyes before an event is delivered (R20)."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.rewards import correction_rows, delivery_queue, review_rows
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.db.rewards.review_rows import Review
from hokusai_mlflow_plugin.domain.errors import (
    CorrectionRefused,
    EventNotFound,
    ReviewerNotAllowed,
)
from hokusai_mlflow_plugin.domain.reward_events import Verdict
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.rewards import revocation
from hokusai_mlflow_plugin.services.rewards.authors import is_author
from hokusai_mlflow_plugin.services.rewards.corrections import Because
from hokusai_mlflow_plugin.services.rewards.history_entries import (
    Action,
    decision_of_event,
    put_on_record,
)

Json = dict[str, Any]


def approve(connection: Connection, workspace: str, event_id: str, actor: str | None) -> Json:
    """Let an event be delivered.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the event.
        event_id: Of the DeltaOne.
        actor: The reviewer; None where the server has no users, or on the database itself.

    Returns:
        The event.

    Raises:
        EventNotFound: There is none.
        CorrectionRefused: It waits for no review.
        ReviewerNotAllowed: The reviewer registered its version, or wrote its tags.
    """
    live_versions.begin_writing(connection)
    row = correction_rows.read_event(connection, workspace, event_id)
    if row is None:
        raise EventNotFound(shown(event_id))
    decision = decision_of_event(connection, row)
    review = review_rows.read(connection, workspace, event_id)
    _require_pending(review)
    if is_author(connection, decision, review, actor):
        raise ReviewerNotAllowed("approve it")
    now_ms = time.time_ns() // 1_000_000
    if not review_rows.decide(
        connection, workspace, event_id, Verdict.APPROVED, None, actor, now_ms
    ):
        _require_pending(review_rows.read(connection, workspace, event_id))
    with joined_writes(connection) as writes:
        delivery_queue.make_due(writes, workspace, row["sequence"], now_ms)
    put_on_record(connection, Action.APPROVED, row, decision, actor, now_ms, event_id=event_id)
    return event_of(row)


def reject(connection: Connection, workspace: str, event_id: str, because: Because) -> Json:
    """Revoke an event that waits for a review, so that it is never delivered.

    Returns:
        The event of the revocation.

    Raises:
        InvalidRequest: There is no usable reason.
        EventNotFound: There is no such event.
        CorrectionRefused: It waits for no review, or a later DeltaOne of its series stands.
        ConcurrentWrite: Another write was faster; to be begun again.
    """
    live_versions.begin_writing(connection)
    if correction_rows.read_event(connection, workspace, event_id) is None:
        raise EventNotFound(shown(event_id))
    _require_pending(review_rows.read(connection, workspace, event_id))
    event = revocation.revoke(connection, workspace, event_id, because)
    decided = review_rows.read(connection, workspace, event_id)
    if decided.verdict != Verdict.REJECTED.value:  # somebody has just approved it
        _require_pending(decided)
    return event


def _require_pending(review: Review) -> None:
    if review.is_pending:
        return
    if not review.is_asked:
        raise CorrectionRefused("This event waits for no review.")
    by = f" by {shown(review.decided_by)}" if review.decided_by else ""
    raise CorrectionRefused(f"This event was {review.verdict}{by} already.")
