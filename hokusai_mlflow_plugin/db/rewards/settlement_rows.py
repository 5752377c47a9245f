"""The SQL of settlements: what the reward service did about an event (R20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, or_, select

from hokusai_mlflow_plugin.db.rewards.event_states import STATE
from hokusai_mlflow_plugin.db.schema.tables import ledgers, reviews, reward_events, settlements
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent
from hokusai_mlflow_plugin.domain.reward_events import EventState, EventType


def settle(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Write a settlement; False where the event has one already. Under the ledger's lock."""
    if not insert_if_absent(connection, settlements, sealed(settlements, row)):
        return False
    connection.execute(
        ledgers.update()
        .where(ledgers.c.workspace == row["workspace"])
        .values(settled_count=func.coalesce(ledgers.c.settled_count, 0) + 1)
    )
    return True


def read(connection: Connection, workspace: str, event_id: str) -> RowMapping | None:
    """The settlement of an event with its sequence number and state, or None."""
    query = (
        select(settlements, reward_events.c.sequence, STATE.label("state"))
        .select_from(settlements.join(reward_events, _of_event(settlements)))
        .where(settlements.c.workspace == workspace, settlements.c.event_id == event_id)
    )
    return connection.execute(query).mappings().one_or_none()


def unsettled(
    connection: Connection, workspace: str, before_ms: int, after: int, limit: int
) -> Sequence[RowMapping]:
    """Events of DeltaOnes that stand, are not in review and not settled, oldest first.

    Args:
        connection: A connection.
        workspace: That of the ledger.
        before_ms: Only those that were written by then.
        after: Only those after this sequence number.
        limit: How many at most.
    """
    query = (
        select(reward_events, STATE.label("state"))
        .where(
            reward_events.c.workspace == workspace,
            reward_events.c.sequence > after,
            reward_events.c.event_time <= before_ms,
            reward_events.c.type == EventType.ACHIEVED.value,
            STATE.in_((EventState.RECORDED.value, EventState.DELIVERED.value)),
        )
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def is_miscounted(connection: Connection, workspace: str) -> bool:
    """Whether a ledger has more or fewer settlements than it counts, or there is no ledger.

    One statement, so that it sees one state of the database.
    """
    written = select(func.count()).where(settlements.c.workspace == workspace).scalar_subquery()
    counted = (
        select(func.coalesce(ledgers.c.settled_count, 0))
        .where(ledgers.c.workspace == workspace)
        .scalar_subquery()
    )
    found, known = connection.execute(select(written, counted)).one()
    return bool(found != (known or 0))


def misplaced(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of events that have a settlement or a review and are none of a DeltaOne, in order."""
    found = set()
    for table in (settlements, reviews):
        query = (
            select(table.c.event_id)
            .select_from(table.outerjoin(reward_events, _of_event(table)))
            .where(
                table.c.workspace == workspace,
                or_(
                    reward_events.c.type.is_(None),
                    reward_events.c.type != EventType.ACHIEVED.value,
                ),
            )
        )
        found |= set(connection.scalars(query))
    return sorted(found)


def _of_event(table: Any) -> Any:
    return and_(
        reward_events.c.workspace == table.c.workspace,
        reward_events.c.event_id == table.c.event_id,
    )
