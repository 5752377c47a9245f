"""How a reward event travels to the reward service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum

_LONGEST_DATE = 64


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
        # The exponent is bounded, because 2.0 ** 1024 is an OverflowError and not infinite.
        full = min(self.cap_s, self.base_s * 2.0 ** min(failed_attempts - 1, 32))
        return full * (0.5 + 0.5 * jitter)

    def pause_s(self, retry_after: str | None, now: datetime) -> float:
        """Seconds for which a receiver asks to be left alone by ``Retry-After``, up to the cap.

        Args:
            retry_after: The header: seconds or an HTTP date; anything else asks nothing.
            now: The time, with its zone.
        """
        text = (retry_after or "").strip()
        if re.fullmatch(r"[0-9]{1,64}", text):
            asked = float(text)
        elif len(text) <= _LONGEST_DATE and (date := _http_date(text)) is not None:
            asked = (date - now).total_seconds()
        else:
            return 0.0
        return min(self.cap_s, max(0.0, asked))


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
