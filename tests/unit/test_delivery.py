"""When a failed delivery is tried again."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.domain.delivery import RetryPolicy

jitters = st.floats(0, 1)


def test_defaults():
    """Twenty attempts, seconds to hours apart: a receiver can be away for a night and a day."""
    policy = RetryPolicy()
    waits_s = [policy.delay_s(failed, 0) for failed in range(1, policy.max_attempts)]
    assert (len(waits_s), waits_s[0], max(waits_s)) == (19, 2.5, 3 * 3600)
    assert sum(waits_s) > 23 * 3600


def test_doubles():
    """Each wait is twice the one before it, up to the cap."""
    policy = RetryPolicy(base_s=5, cap_s=60)
    assert [policy.delay_s(n, 1) for n in range(1, 7)] == [5, 10, 20, 40, 60, 60]


def test_half_of_it_is_random():
    """The jitter spreads the attempts over the second half of the wait."""
    policy = RetryPolicy(base_s=8, cap_s=100)
    assert [policy.delay_s(1, jitter) for jitter in (0, 0.5, 1)] == [4, 6, 8]


@given(st.integers(1, 10_000), jitters, st.floats(0.001, 100), st.floats(0.001, 1e6))
def test_bounds(failed, jitter, base_s, cap_s):
    """However often it failed, the wait is more than nothing and at most the cap."""
    delay = RetryPolicy(base_s=base_s, cap_s=cap_s).delay_s(failed, jitter)
    assert min(base_s, cap_s) / 2 <= delay <= cap_s


@given(st.integers(1, 60), jitters)
def test_never_shorter_than_before(failed, jitter):
    """With the same jitter the wait never gets shorter."""
    policy = RetryPolicy()
    assert policy.delay_s(failed, jitter) <= policy.delay_s(failed + 1, jitter)


NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("301", 300),
        (64 * "9", 300),
        (100_000 * "9", 0),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("soon", 0),
        ("Thu, 26 Nov 2026 12:01:00 GMT", 60),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("Thu, 26 Nov 2026 12:01:00 -0000", 60),
        ("Thu, 26 Nov 2026 13:01:00 +0100", 60),
        (f"Thu, 26 Nov 2026 {'0' * 35}12:01:00 GMT", 60),  # 64 characters
        (f"Thu, 26 Nov 2026 {'0' * 36}12:01:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
        ("Thu, 99 Nov 2026 12:01:00 GMT", 0),
        (100_000 * "Thu, ", 0),
    ],
)
def test_retry_after(header, seconds):
    """Seconds or a date are kept to, up to the longest wait; anything else asks for nothing."""
    assert RetryPolicy(cap_s=300).pause_s(header, NOW) == seconds
