"""Making an event due again, however its delivery ended."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.rewards import delivery_queue, review_rows
from hokusai_mlflow_plugin.db.rewards.delivery_queue import of_event
from hokusai_mlflow_plugin.db.schema.tables import deliveries, delivery_attempts, reward_events
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus
from hokusai_mlflow_plugin.domain.errors import CorrectionRefused


def replay(connection: Connection, workspace: str, event_id: str, now_ms: int) -> bool:
    """Make an event due again, however its delivery ended, and also where it never had one.

    False where no event has this id.

    Raises:
        CorrectionRefused: It waits for a review, or was rejected.
    """
    sequence = connection.scalar(
        select(reward_events.c.sequence).where(
            reward_events.c.workspace == workspace, reward_events.c.event_id == event_id
        )
    )
    if sequence is None:
        return False
    review = review_rows.read(connection, workspace, event_id)
    if review.is_held:
        raise CorrectionRefused(
            f"This event is not delivered: its review {review.verdict or 'is not over'}."
        )
    while not _replayed(connection, workspace, sequence, now_ms):
        pass  # a dispatcher has just claimed it
    return True


def _replayed(connection: Connection, workspace: str, sequence: int, now_ms: int) -> bool:
    """Make a delivery due; False where its attempts have just become more."""
    query = select(deliveries).where(*of_event(workspace, sequence)).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        _make_due(connection, workspace, sequence, now_ms)
        return True
    due = {
        **row,
        "status": DeliveryStatus.PENDING.value,
        "next_attempt_time": now_ms,
        "replayed_after": row["attempts"],
    }
    replayed = connection.execute(
        deliveries.update()
        # Where the database locks no rows (SQLite), a dispatcher may have been faster.
        .where(*of_event(workspace, sequence), deliveries.c.attempts == row["attempts"])
        .values(sealed(deliveries, due))
    )
    return replayed.rowcount == 1


def _make_due(connection: Connection, workspace: str, sequence: int, now_ms: int) -> None:
    """Give an event the delivery that somebody removed; its attempts are counted on."""
    logged = connection.scalar(
        select(func.max(delivery_attempts.c.attempt)).where(
            delivery_attempts.c.workspace == workspace, delivery_attempts.c.sequence == sequence
        )
    )
    with joined_writes(connection) as writes:
        delivery_queue.make_due(writes, workspace, sequence, now_ms, logged or 0)
