"""How deliveries stand, and what is logged of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, func, select

from hokusai_mlflow_plugin.db.rewards.delivery_queue import Claim
from hokusai_mlflow_plugin.db.schema.tables import deliveries, delivery_attempts, reward_events
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus

_PENDING, _SENDING = DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value


def read_log(connection: Connection, claims: Sequence[Claim]) -> Sequence[RowMapping]:
    """The attempts that were logged at the events of claims, of one workspace, in their order."""
    query = (
        select(delivery_attempts)
        .where(
            delivery_attempts.c.workspace == claims[0].workspace,
            delivery_attempts.c.sequence.in_([claim.sequence for claim in claims]),
        )
        .order_by(delivery_attempts.c.sequence, delivery_attempts.c.attempt)
    )
    return connection.execute(query).mappings().all()


def read_attempts(
    connection: Connection, workspace: str, sequence: int, limit: int
) -> Sequence[RowMapping]:
    """The attempts at an event, the last ones first."""
    query = (
        select(delivery_attempts)
        .where(delivery_attempts.c.workspace == workspace, delivery_attempts.c.sequence == sequence)
        .order_by(delivery_attempts.c.attempt.desc())
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def read_deliveries(
    connection: Connection, workspace: str, sequences: Sequence[int]
) -> dict[int, RowMapping]:
    """The deliveries of events and how the last attempt ended, by sequence."""
    last = and_(
        delivery_attempts.c.workspace == deliveries.c.workspace,
        delivery_attempts.c.sequence == deliveries.c.sequence,
        delivery_attempts.c.attempt == deliveries.c.attempts,
    )
    query = (
        select(deliveries, delivery_attempts.c.http_status, delivery_attempts.c.error)
        .select_from(deliveries.outerjoin(delivery_attempts, last))
        .where(deliveries.c.workspace == workspace, deliveries.c.sequence.in_(sequences))
    )
    return {row["sequence"]: row for row in connection.execute(query).mappings()}


def backlog(connection: Connection) -> tuple[int, int | None]:
    """How many events wait to be delivered, and the time (ms) of the oldest of them."""
    query = (
        select(func.count(), func.min(reward_events.c.event_time))
        .select_from(
            deliveries.join(
                reward_events,
                and_(
                    reward_events.c.workspace == deliveries.c.workspace,
                    reward_events.c.sequence == deliveries.c.sequence,
                ),
            )
        )
        .where(deliveries.c.status.in_((_PENDING, _SENDING)))
    )
    count, oldest = connection.execute(query).one()
    return count, oldest
