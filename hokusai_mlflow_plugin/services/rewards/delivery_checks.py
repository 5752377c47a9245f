"""Whether the delivery of an event is what the log of its attempts made it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import delivery_state
from hokusai_mlflow_plugin.db.rewards.delivery_queue import Claim
from hokusai_mlflow_plugin.db.schema.tables import delivery_attempts
from hokusai_mlflow_plugin.db.seals import is_sealed
from hokusai_mlflow_plugin.domain.delivery import LONGEST_WAIT_MS, DeliveryStatus
from hokusai_mlflow_plugin.domain.reward_events import Verdict
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Found

_APPROVED = Verdict.APPROVED.value
_PENDING, _SENDING = DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value
_DELIVERED, _DEAD = DeliveryStatus.DELIVERED.value, DeliveryStatus.DEAD.value


@dataclass(frozen=True)
class _Delivery:
    """A delivery with what is logged of it."""

    status: str
    attempts: int
    next_attempt_time: int
    replayed_after: int
    logged: int
    last_time: int | None
    http_status: int | None
    error: str | None

    @property
    def waits(self) -> bool:
        """Whether nothing was tried since it was written or replayed."""
        return self.attempts == self.replayed_after

    @property
    def was_received(self) -> bool:
        return self.error is None and self.http_status is not None


def delivery_faults(row: RowMapping) -> Iterator[Found]:
    """What is wrong with the delivery of an event.

    Args:
        row: The event with its delivery and its last attempt, as ``ledger_checks`` reads it.
    """
    is_held = row["review_asked"] is not None and row["review_verdict"] != _APPROVED
    if row["delivery_status"] is None:
        if not is_held:
            yield "delivery_missing", "has no delivery: it is not sent before it is replayed."
    elif problem := _contradiction(_of(row)):
        yield "delivery_differs", f"has a delivery that {problem}."


def proven_claims(connection: Connection, claims: Sequence[Claim]) -> set[int]:
    """Sequences of the deliveries that were claimed as the servers and their logs made them.

    Args:
        claims: Of one workspace.
    """
    logs: dict[int, list[RowMapping]] = {claim.sequence: [] for claim in claims}
    for row in delivery_state.read_log(connection, claims):
        logs[row["sequence"]].append(row)
    return {claim.sequence for claim in claims if _is_proven(claim, logs[claim.sequence])}


def _is_proven(claim: Claim, logged: Sequence[RowMapping]) -> bool:
    log = [row for row in logged if row["attempt"] < claim.attempt]  # the next is the claim's own
    last = log[-1] if log else None
    found = _Delivery(
        claim.before["status"],
        claim.before["attempts"],
        claim.before["next_attempt_time"],
        claim.before["replayed_after"],
        len(log),
        last["attempt_time"] if last else None,
        last["http_status"] if last else None,
        last["error"] if last else None,
    )
    is_intact = all(is_sealed(delivery_attempts, row) for row in log)
    return claim.is_genuine and is_intact and _contradiction(found) is None


def _of(row: RowMapping) -> _Delivery:
    def told(name: str) -> Any:
        return row[name]

    return _Delivery(
        told("delivery_status"),
        told("delivery_attempts"),
        told("delivery_next_attempt_time"),
        told("delivery_replayed_after"),
        told("logged_attempts"),
        told("last_attempt_time"),
        told("last_http_status"),
        told("last_error"),
    )


def _contradiction(delivery: _Delivery) -> str | None:
    """What the delivery says other than its log, or None."""
    if delivery.logged != delivery.attempts:
        return f"counts {delivery.attempts} attempts, and {delivery.logged} are logged"
    if not 0 <= delivery.replayed_after <= delivery.attempts:
        return "was replayed after more attempts than there were"
    if delivery.waits:
        fits = delivery.status == _PENDING
    else:
        fits = {
            _PENDING: delivery.error is not None,
            _SENDING: delivery.error is None and delivery.http_status is None,
            _DELIVERED: delivery.was_received,
            _DEAD: delivery.error is not None,
        }.get(delivery.status, False)
    if not fits:
        return f"is {delivery.status}, which its last attempt did not make it"
    latest = max(delivery.last_time or 0, time.time_ns() // 1_000_000)
    if delivery.next_attempt_time > latest + LONGEST_WAIT_MS:
        return "is due later than any server would have said"
    return None
