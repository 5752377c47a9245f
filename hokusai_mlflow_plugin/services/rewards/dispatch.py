"""Delivering reward events to the reward service, at least once, by Standard Webhooks.

Never inside a registry transaction: events wait in the database, and any number of dispatchers
deliver them. An event keeps its id on every attempt, so that the receiver can leave out repeats.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

import requests
import rfc8785
from sqlalchemy import Connection, Engine
from standardwebhooks import Webhook

from hokusai_mlflow_plugin.db.rewards import correction_rows, delivery_queue, receiver_state
from hokusai_mlflow_plugin.db.rewards.delivery_queue import Claim, Outcome
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus, RetryPolicy
from hokusai_mlflow_plugin.domain.errors import ReceiverGone
from hokusai_mlflow_plugin.services.rewards.delivery_checks import proven_claims
from hokusai_mlflow_plugin.services.rewards.ledger_verification import proven_events
from hokusai_mlflow_plugin.services.rewards.posting import Poster, failure

_logger = logging.getLogger(__name__)

# Beyond the post's own time: a lease that ends while its holder still writes down how the attempt
# ended would have the event sent twice.
_LEASE_MARGIN_S = 30.0
_BATCH = 100
_BATCH_S = 2.0
"""How long posts of one batch may begin after its claim: far less than the lease's margin."""
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
        # Twice as many claims as there were posts in the last batch: a slow receiver gets few.
        self._batch = 1
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
        while (limit is None or made < limit) and not self._is_quiet():
            claims = self._claim(self._batch if limit is None else min(self._batch, limit - made))
            if not claims:
                break
            attempted = self._attempt(claims)
            self._batch = min(2 * attempted, _BATCH)
            made += attempted
        return made

    def _claim(self, limit: int) -> list[Claim]:
        now_ms = _now_ms()
        lease_ms = int((self._receiver.timeout_s + _LEASE_MARGIN_S) * 1000)
        with self._engine.begin() as connection:
            stopped = receiver_state.stopped_mark(connection)
            if stopped == self._receiver.mark:
                raise ReceiverGone
            if stopped is not None:  # there is another receiver now
                receiver_state.resume(connection)
            return delivery_queue.claim_next(connection, now_ms, now_ms + lease_ms, limit)

    def _attempt(self, claims: Sequence[Claim]) -> int:
        """Make the claimed attempts, in their order; what there is no time for is given back.

        Returns:
            How many were made.
        """
        # Short transactions and none while it posts: a receiver that hangs holds no lock.
        with self._engine.connect() as connection:
            found = self._events(connection, claims)
            ids = [event["id"] for event in found.values()]
            revoked = correction_rows.revoked_among(connection, claims[0].workspace, ids)
        begun = time.monotonic()
        outcomes: list[Outcome] = []
        is_gone = False
        for claim in claims:
            if outcomes and (is_gone or self._is_quiet() or time.monotonic() - begun > _BATCH_S):
                break
            event = found.get(claim.sequence)
            if event is None:
                ending = Ending(DeliveryStatus.DEAD, None, _TAMPERED)
            elif event["id"] in revoked:
                ending = Ending(DeliveryStatus.DEAD, None, _REVOKED)
            else:
                ending = self._post(event["id"], rfc8785.dumps(event))
            outcomes.append(self._outcome(claim, ending))
            is_gone = ending.http_status == _GONE
            self._quiet_until_ms = _now_ms() + int(ending.pause_s * 1000)
        with self._engine.begin() as connection:
            delivery_queue.finish(connection, outcomes)
            for claim in claims[len(outcomes) :]:
                delivery_queue.release(connection, claim)
            if is_gone:
                receiver_state.stop(connection, self._receiver.mark)
        for each in outcomes:
            _logger.info(
                "Reward event %s of workspace %s, attempt %s: %s%s",
                each.claim.sequence,
                each.claim.workspace,
                each.claim.attempt,
                each.status.value,
                f", {each.error}" if each.error else "",
            )
        return len(outcomes)

    def _is_quiet(self) -> bool:
        return _now_ms() < self._quiet_until_ms

    def _events(self, connection: Connection, claims: Sequence[Claim]) -> dict[int, dict[str, Any]]:
        """The claimed events by sequence; without those that 'rewards verify' would name."""
        proven = proven_claims(connection, claims)
        first, last = claims[0], claims[-1]
        found = proven_events(connection, first.workspace, first.sequence, last.sequence)
        return {sequence: found[sequence] for sequence in proven & found.keys()}

    def _outcome(self, claim: Claim, ending: Ending) -> Outcome:
        status, delay_s = self._next(claim, ending)
        due_ms = _now_ms() + int(delay_s * 1000)
        return Outcome(claim, status, due_ms, ending.http_status, ending.error)

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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
