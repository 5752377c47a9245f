"""How a reward event travels to the reward service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DeliveryStatus(str, Enum):
    """Where the delivery of one event stands."""

    PENDING = "pending"
    SENDING = "sending"
    """Claimed by a dispatcher, until its lease ends."""
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up after the last attempt; ``rewards replay`` begins anew."""


LONGEST_WAIT_MS = 366 * 24 * 3_600_000
"""No attempt is due later than this after what came before it: a year, whatever the settings."""


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed delivery is tried again: by default for a day and a half."""

    max_attempts: int = 20
    base_s: float = 5.0
    cap_s: float = 6 * 3600.0

    def delay_s(self, failed_attempts: int, jitter: float) -> float:
        """Seconds until the next attempt: exponential, half of it at random.

        Args:
            failed_attempts: How many attempts have failed, 1 or more.
            jitter: A random number from 0 to 1, so that many events do not come back at once.
        """
        full = min(self.cap_s, self.base_s * 2.0 ** min(failed_attempts - 1, 32))
        return full * (0.5 + 0.5 * jitter)
