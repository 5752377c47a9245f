"""Delivering reward events to the reward service, at least once, by Standard Webhooks.

Never inside a registry transaction: events wait in the database, and any number of dispatchers
deliver them. An event keeps its id on every attempt, so that the receiver can leave out repeats.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

import requests
import rfc8785
from sqlalchemy import Connection, Engine
from standardwebhooks import Webhook

from hokusai_mlflow_plugin.db.rewards import correction_rows, delivery_queue, receiver_state
from hokusai_mlflow_plugin.db.rewards.delivery_queue import Claim
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus, RetryPolicy
from hokusai_mlflow_plugin.domain.errors import ReceiverGone
from hokusai_mlflow_plugin.domain.reward_events import Correction
from hokusai_mlflow_plugin.services.rewards.delivery_checks import is_proven
from hokusai_mlflow_plugin.services.rewards.ledger_verification import proven_event
from hokusai_mlflow_plugin.services.rewards.posting import Poster, failure

_logger = logging.getLogger(__name__)

# Beyond the post's own time: a lease that ends while its holder still writes down how the attempt
# ended would have the event sent twice.
_LEASE_MARGIN_S = 30.0
_SUCCESS = 2
"""Hundreds of the only HTTP statuses that mean received (Standard Webhooks); no redirect does."""
_GONE = HTTPStatus.GONE.value
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS.value, HTTPStatus.SERVICE_UNAVAILABLE.value)
"""Answers whose ``Retry-After`` is kept to."""
_TAMPERED = "Not sent: the ledger does not hold the event that was written; run 'rewards verify'."


_REVOKED = "Not sent: it was revoked before it was delivered; its revocation is an event, too."


@dataclass(frozen=True)
class Receiver:
    """Where events go, and how they are signed."""

    url: str
    secrets: Sequence[str]
    """Each signs every event: two of them during a rotation."""
    timeout_s: float = 10.0
    """How long an attempt may take in all."""

    @property
    def mark(self) -> str:
        """Tells receivers apart without their URL, which may hold a secret: 32 hex digits."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Ending:
    """How one attempt ended."""

    status: DeliveryStatus
    """Pending where it is to be tried again."""
    http_status: int | None
    error: str | None
    pause_s: float = 0.0
    """For how long the receiver asks to be left alone."""


class Dispatcher:
    """Delivers what is due."""

    def __init__(
        self, engine: Engine, receiver: Receiver, policy: RetryPolicy, session: requests.Session
    ) -> None:
        """Set up; nothing is sent yet.

        Args:
            engine: The registry's database.
            receiver: The reward service.
            policy: When to try again.
            session: Sends the requests; it refuses what the server must not reach.
        """
        if engine.dialect.name in ("mysql", "mariadb"):
            # Under REPEATABLE READ a claim would not see that another dispatcher just made one.
            engine = engine.execution_options(isolation_level="READ COMMITTED")
        self._engine = engine
        self._receiver = receiver
        self._policy = policy
        self._poster = Poster(session, receiver.url, receiver.timeout_s)
        self._quiet_until_ms = 0
        self._signers = [Webhook(secret) for secret in receiver.secrets]

    def deliver_due(self, limit: int | None = None) -> int:
        """Make every attempt that is due now.

        Args:
            limit: How many attempts at most.

        Returns:
            How many attempts were made; none while the receiver asks to be left alone.

        Raises:
            ReceiverGone: The receiver answered 410, to this dispatcher or to another one.
        """
        made = 0
        while (limit is None or made < limit) and _now_ms() >= self._quiet_until_ms:
            claim = self._claim()
            if claim is None:
                break
            self._attempt(claim)
            made += 1
        return made

    def _claim(self) -> Claim | None:
        now_ms = _now_ms()
        lease_ms = int((self._receiver.timeout_s + _LEASE_MARGIN_S) * 1000)
        with self._engine.begin() as connection:
            stopped = receiver_state.stopped_mark(connection)
            if stopped == self._receiver.mark:
                raise ReceiverGone
            if stopped is not None:  # there is another receiver now
                receiver_state.resume(connection)
            return delivery_queue.claim_next(connection, now_ms, now_ms + lease_ms)

    def _attempt(self, claim: Claim) -> None:
        # Two short transactions and none while it posts: a receiver that hangs holds no lock.
        with self._engine.connect() as connection:
            event = self._event(connection, claim)
            is_revoked = event is not None and _is_revoked(connection, claim, event)
        if event is None:
            ending = Ending(DeliveryStatus.DEAD, None, _TAMPERED)
        elif is_revoked:
            ending = Ending(DeliveryStatus.DEAD, None, _REVOKED)
        else:
            ending = self._post(event["id"], rfc8785.dumps(event))
        status, delay_s = self._next(claim, ending)
        with self._engine.begin() as connection:
            due_ms = _now_ms() + int(delay_s * 1000)
            delivery_queue.finish(
                connection, claim, status, due_ms, ending.http_status, ending.error
            )
            if ending.http_status == _GONE:
                receiver_state.stop(connection, self._receiver.mark)
        self._quiet_until_ms = _now_ms() + int(ending.pause_s * 1000)
        _logger.info(
            "Reward event %s of workspace %s, attempt %s: %s%s",
            claim.sequence,
            claim.workspace,
            claim.attempt,
            status.value,
            f", {ending.error}" if ending.error else "",
        )

    def _event(self, connection: Connection, claim: Claim) -> dict[str, Any] | None:
        """The claimed event; None where 'rewards verify' would name it or its delivery."""
        if not is_proven(connection, claim):
            return None
        return proven_event(connection, claim.workspace, claim.sequence)

    def _next(self, claim: Claim, ending: Ending) -> tuple[DeliveryStatus, float]:
        if ending.status is not DeliveryStatus.PENDING:
            return ending.status, 0.0
        failed = claim.attempts_since_replay
        if failed >= self._policy.max_attempts and ending.http_status != _GONE:
            return DeliveryStatus.DEAD, 0.0
        jitter = random.random()  # noqa: S311  # spreads retries, guards nothing
        return DeliveryStatus.PENDING, max(self._policy.delay_s(failed, jitter), ending.pause_s)

    def _post(self, event_id: str, body: bytes) -> Ending:
        try:
            answer = self._poster.post(body, self._headers(event_id, body))
        except Exception as error:  # whatever fails, the event is tried again
            return Ending(DeliveryStatus.PENDING, None, failure(error))
        status, pause_s = answer.status, 0.0
        if status // 100 == _SUCCESS:
            return Ending(DeliveryStatus.DELIVERED, status, None)
        if status in _BUSY:
            now = datetime.fromtimestamp(_now_ms() / 1000, tz=timezone.utc)
            pause_s = self._policy.pause_s(answer.retry_after, now)
        return Ending(DeliveryStatus.PENDING, status, f"The receiver answered {status}.", pause_s)

    def _headers(self, event_id: str, body: bytes) -> dict[str, str]:
        """Signed at this attempt's own time; a receiver refuses what is older than five minutes."""
        now = datetime.now(tz=timezone.utc)
        signatures = (signer.sign(event_id, now, body.decode()) for signer in self._signers)
        return {
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _is_revoked(connection: Connection, claim: Claim, event: Mapping[str, Any]) -> bool:
    found = correction_rows.read_correction(
        connection, claim.workspace, event["id"], Correction.REVOKED
    )
    return found is not None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
