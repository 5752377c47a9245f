"""Claiming deliveries and keeping their log.

A claim is a lease: the dispatcher's transaction ends before anything is posted, so no database
lock outlives a hanging receiver, and a dispatcher that dies loses its claim when the lease ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, select

from hokusai_mlflow_plugin.db.schema.tables import deliveries, delivery_attempts, reward_events
from hokusai_mlflow_plugin.db.seals import is_sealed, sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus

_PENDING, _SENDING = DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value


@dataclass(frozen=True)
class Claim:
    """One attempt at delivering one event, claimed for this dispatcher."""

    workspace: str
    sequence: int
    attempt: int
    """Counted from 1, over all replays."""
    time_ms: int
    before: RowMapping
    """The delivery as it was found."""

    @property
    def attempts_since_replay(self) -> int:
        return self.attempt - int(self.before["replayed_after"])

    @property
    def is_genuine(self) -> bool:
        """Whether the delivery was found as the servers wrote it."""
        return is_sealed(deliveries, self.before)

    def asof_event(self, status: DeliveryStatus, next_attempt_ms: int) -> dict[str, Any]:
        """The delivery's row after this claim."""
        row = {
            **self.before,
            "status": status.value,
            "attempts": self.attempt,
            "next_attempt_time": next_attempt_ms,
        }
        return sealed(deliveries, row)

    def outcome(self, http_status: int | None, error: str | None) -> dict[str, Any]:
        """The row of the attempt in the log."""
        row = {
            "workspace": self.workspace,
            "sequence": self.sequence,
            "attempt": self.attempt,
            "attempt_time": self.time_ms,
            "http_status": http_status,
            "error": error,
        }
        return sealed(delivery_attempts, row)


def make_due(
    connection: Connection, workspace: str, sequence: int, now_ms: int, attempts: int = 0
) -> None:
    """Give an event its delivery, due at once; one that it has already stays as it is.

    Args:
        connection: A connection that may write.
        workspace: That of the event.
        sequence: Its number.
        now_ms: When it is due.
        attempts: How many were logged before; they are counted on.
    """
    row = {
        "workspace": workspace,
        "sequence": sequence,
        "status": _PENDING,
        "attempts": attempts,
        "next_attempt_time": now_ms,
        "replayed_after": attempts,
    }
    insert_if_absent(connection, deliveries, sealed(deliveries, row))


def claim_next(connection: Connection, now_ms: int, lease_until_ms: int) -> Claim | None:
    """Claim the next attempt that is due, first attempts before repeated ones.

    First attempts are made in the order of the events: none begins while that of an earlier event
    of the same workspace waits or is under way.
    """
    row = _lock_first(connection, now_ms) or _lock_repeated(connection, now_ms)
    if row is None:
        return None
    attempt = row["attempts"] + 1
    claim = Claim(row["workspace"], row["sequence"], attempt, now_ms, row)
    claimed = connection.execute(
        deliveries.update()
        .where(
            *of_event(claim.workspace, claim.sequence),
            # Where the database locks no rows (SQLite), another dispatcher may have been faster.
            deliveries.c.attempts == row["attempts"],
        )
        .values(claim.asof_event(DeliveryStatus.SENDING, lease_until_ms))
    )
    if claimed.rowcount != 1:
        # The other one has it now, so this look finds another row.
        return claim_next(connection, now_ms, lease_until_ms)
    connection.execute(delivery_attempts.insert(), claim.outcome(None, None))
    return claim


def _lock_first(connection: Connection, now_ms: int) -> RowMapping | None:
    other = deliveries.alias()
    under_way = (
        select(other.c.sequence)
        .where(
            other.c.workspace == deliveries.c.workspace,
            other.c.status == _SENDING,
            # First attempts alone hold up what follows: else one event that a receiver always
            # refuses would stop all.
            other.c.attempts == 1,
            other.c.next_attempt_time > now_ms,
        )
        .exists()
    )
    untried = (
        select(deliveries.c.workspace, func.min(deliveries.c.sequence))
        .where(deliveries.c.status == _PENDING, deliveries.c.attempts == 0, ~under_way)
        .group_by(deliveries.c.workspace)
        .order_by(deliveries.c.workspace)
    )
    # The first of each workspace, so that one that waits does not hold up the others.
    for workspace, sequence in connection.execute(untried).all():
        # Not SKIP LOCKED: whoever holds the row is claiming it, and the next one must wait.
        query = (
            select(deliveries)
            .where(*of_event(workspace, sequence), deliveries.c.attempts == 0)
            .with_for_update()
        )
        if row := connection.execute(query).mappings().one_or_none():
            return row
    return None


def _lock_repeated(connection: Connection, now_ms: int) -> RowMapping | None:
    query = (
        select(deliveries)
        .where(
            deliveries.c.status.in_((_PENDING, _SENDING)),
            deliveries.c.attempts > 0,
            deliveries.c.next_attempt_time <= now_ms,
        )
        .order_by(deliveries.c.next_attempt_time, deliveries.c.workspace, deliveries.c.sequence)
        .limit(1)
        # What another dispatcher is claiming is passed over: without it all of them would queue for
        # one row, and then find it taken.
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).mappings().one_or_none()


def finish(
    connection: Connection,
    claim: Claim,
    status: DeliveryStatus,
    next_attempt_ms: int,
    http_status: int | None,
    error: str | None,
) -> None:
    """Record how an attempt ended; the state of a newer attempt or of a replay stays as it is."""
    connection.execute(
        deliveries.update()
        .where(
            *of_event(claim.workspace, claim.sequence),
            deliveries.c.attempts == claim.attempt,
            deliveries.c.status == _SENDING,
        )
        .values(claim.asof_event(status, next_attempt_ms))
    )
    connection.execute(
        delivery_attempts.update()
        .where(
            delivery_attempts.c.workspace == claim.workspace,
            delivery_attempts.c.sequence == claim.sequence,
            delivery_attempts.c.attempt == claim.attempt,
        )
        .values(claim.outcome(http_status, error))
    )


def read_log(connection: Connection, claim: Claim) -> Sequence[RowMapping]:
    """The attempts at an event that were logged before a claim, in their order."""
    query = (
        select(delivery_attempts)
        .where(
            delivery_attempts.c.workspace == claim.workspace,
            delivery_attempts.c.sequence == claim.sequence,
            delivery_attempts.c.attempt < claim.attempt,
        )
        .order_by(delivery_attempts.c.attempt)
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


def of_event(workspace: str, sequence: int):  # type: ignore[no-untyped-def]  # two conditions
    """The delivery of one event, as conditions."""
    return deliveries.c.workspace == workspace, deliveries.c.sequence == sequence
