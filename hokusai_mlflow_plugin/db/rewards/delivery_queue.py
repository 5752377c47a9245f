"""Claiming deliveries, and writing down how attempts at them ended.

A claim is a lease: the dispatcher's transaction ends before anything is posted, so no database
lock outlives a hanging receiver, and a dispatcher that dies loses its claims when the lease ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.schema.tables import deliveries, delivery_attempts
from hokusai_mlflow_plugin.db.seals import is_sealed, sealed
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus

_PENDING, _SENDING = DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value
_LOCKING = ("postgresql", "mysql", "mariadb")
"""Dialects of databases that lock the rows that are read for an update."""
_UNTRIED = (deliveries.c.status == _PENDING, deliveries.c.attempts == 0)
_OF_DELIVERY = (
    deliveries.c.workspace == bindparam("of_workspace"),
    deliveries.c.sequence == bindparam("of_sequence"),
)
_OF_ATTEMPT = (
    delivery_attempts.c.workspace == bindparam("of_workspace"),
    delivery_attempts.c.sequence == bindparam("of_sequence"),
    delivery_attempts.c.attempt == bindparam("of_attempt"),
)
_CLAIMED = deliveries.update().where(
    *_OF_DELIVERY, deliveries.c.attempts == bindparam("of_attempt")
)
_ENDED = deliveries.update().where(
    *_OF_DELIVERY,
    deliveries.c.attempts == bindparam("of_attempt"),
    deliveries.c.status == _SENDING,
)
_LOGGED = delivery_attempts.update().where(*_OF_ATTEMPT)


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
    writes: JoinedWrites, workspace: str, sequence: int, now_ms: int, attempts: int = 0
) -> None:
    """Give an event its delivery, due at once; one that it has already stays as it is.

    Args:
        writes: Where it is written.
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
    writes.insert_if_absent(deliveries, sealed(deliveries, row))


@dataclass(frozen=True)
class Outcome:
    """How a claimed attempt ended."""

    claim: Claim
    status: DeliveryStatus
    next_attempt_ms: int
    http_status: int | None
    error: str | None


def claim_next(
    connection: Connection, now_ms: int, lease_until_ms: int, limit: int = 1
) -> list[Claim]:
    """Claim what is due next: first attempts of one workspace, or else one repeated attempt.

    First attempts are made in the order of the events: none begins while that of an earlier event
    of the same workspace waits or is under way. What a dispatcher had claimed when it died comes
    before what follows it.
    """
    died = _lock_due(
        connection, now_ms, deliveries.c.status == _SENDING, deliveries.c.attempts == 1
    )
    rows = died or _lock_untried(connection, now_ms, limit) or _lock_due(connection, now_ms)
    found = [
        Claim(each["workspace"], each["sequence"], each["attempts"] + 1, now_ms, each)
        for each in rows
    ]
    claims = _mark(connection, found, lease_until_ms)
    if found and not claims:
        # The other one has it now, so this look finds another row.
        return claim_next(connection, now_ms, lease_until_ms, limit)
    if claims:
        connection.execute(
            delivery_attempts.insert(), [each.outcome(None, None) for each in claims]
        )
    return claims


def _mark(connection: Connection, found: list[Claim], lease_until_ms: int) -> list[Claim]:
    """Write the leases; those of them that no other dispatcher was faster with, in their order."""
    changes = [
        _changes(each, each.asof_event(DeliveryStatus.SENDING, lease_until_ms), each.attempt - 1)
        for each in found
    ]
    if connection.dialect.name in _LOCKING:
        if changes:
            connection.execute(_CLAIMED, changes)
        return found
    claims = []
    for claim, change in zip(found, changes, strict=True):
        if connection.execute(_CLAIMED, change).rowcount != 1:
            break  # what follows is the other one's business
        claims.append(claim)
    return claims


def _lock_untried(connection: Connection, now_ms: int, limit: int) -> Sequence[RowMapping]:
    # Of no outer row, so that it is looked up once: there may be 100,000 that wait.
    busy = select(deliveries.c.workspace).where(
        deliveries.c.status == _SENDING,
        # First attempts alone hold up what follows: else one event that a receiver always
        # refuses would stop all.
        deliveries.c.attempts == 1,
        deliveries.c.next_attempt_time > now_ms,
    )
    untried = (
        select(deliveries.c.workspace, func.min(deliveries.c.sequence))
        .where(*_UNTRIED, deliveries.c.workspace.not_in(busy))
        .group_by(deliveries.c.workspace)
        .order_by(deliveries.c.workspace)
    )
    # The first of each workspace, so that one that waits does not hold up the others.
    for workspace, sequence in connection.execute(untried).all():
        # Not SKIP LOCKED: whoever holds the row is claiming it, and the next one must wait.
        query = select(deliveries).where(*of_event(workspace, sequence), *_UNTRIED)
        first = connection.execute(query.with_for_update()).mappings().all()
        if first and limit > 1:
            # Who holds the first of them holds up all who would claim the others.
            following = (
                select(deliveries)
                .where(deliveries.c.workspace == workspace, *_UNTRIED)
                .where(deliveries.c.sequence > sequence)
                .order_by(deliveries.c.sequence)
                .limit(limit - 1)
                .with_for_update()
            )
            return [*first, *connection.execute(following).mappings()]
        if first:
            return first
    return []


def _lock_due(connection: Connection, now_ms: int, *conditions: Any) -> Sequence[RowMapping]:
    """One repeated attempt that is due."""
    query = (
        select(deliveries)
        .where(
            deliveries.c.status.in_((_PENDING, _SENDING)),
            deliveries.c.attempts > 0,
            deliveries.c.next_attempt_time <= now_ms,
            *conditions,
        )
        .order_by(deliveries.c.next_attempt_time, deliveries.c.workspace, deliveries.c.sequence)
        .limit(1)
        # What another dispatcher is claiming is passed over: without it all of them would queue for
        # one row, and then find it taken.
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).mappings().all()


def finish(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Record how attempts ended; the state of a newer attempt or of a replay stays as it is."""
    ended, logged = [], []
    for each in outcomes:
        claim = each.claim
        after = claim.asof_event(each.status, each.next_attempt_ms)
        ended.append(_changes(claim, after, claim.attempt))
        outcome = claim.outcome(each.http_status, each.error)
        logged.append(_changes(claim, outcome, claim.attempt))
    if outcomes:
        connection.execute(_ENDED, ended)
        connection.execute(_LOGGED, logged)


def release(connection: Connection, claim: Claim) -> None:
    """Give a claim back that nothing was sent for: its delivery is again what it was."""
    released = connection.execute(_ENDED, _changes(claim, claim.before, claim.attempt))
    if released.rowcount == 1:  # else it was replayed meanwhile, which counts the attempt
        connection.execute(
            delivery_attempts.delete().where(*_OF_ATTEMPT), _key(claim, claim.attempt)
        )


def _changes(claim: Claim, row: Mapping[Any, Any], attempt: int) -> dict[str, Any]:
    """What an update sets in a claim's row, as long as its last attempt is this one."""
    return {**row, **_key(claim, attempt)}


def _key(claim: Claim, attempt: int) -> dict[str, Any]:
    return {"of_workspace": claim.workspace, "of_sequence": claim.sequence, "of_attempt": attempt}


def of_event(workspace: str, sequence: int):  # type: ignore[no-untyped-def]  # two conditions
    """The delivery of one event, as conditions."""
    return deliveries.c.workspace == workspace, deliveries.c.sequence == sequence
