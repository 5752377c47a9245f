"""DeltaOne: whether a value improves enough on the head of its series.

Source: R9 and R10. All arithmetic is on exact decimals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from hokusai_mlflow_plugin.domain.metric_catalogue import DEFAULT_THRESHOLD, Direction
from hokusai_mlflow_plugin.domain.values import EXACT, plain


class Outcome(str, Enum):
    """What the registry concluded about a tokenised version."""

    BASELINE = "baseline"
    """The first value of a series, or a better one that cannot be a reward: the head moves."""
    ACHIEVED = "achieved"
    BELOW_THRESHOLD = "below_threshold"
    REGRESSED = "regressed"
    DIRECTION_UNKNOWN = "direction_unknown"
    COPY = "copy"
    REVOKED = "revoked"
    """It was achieved, and an administrator took that back (R19): it counts for nothing."""


SETS_HEAD = (Outcome.BASELINE.value, Outcome.ACHIEVED.value)
"""Outcomes of the decisions that set a head."""


class Evidence(str, Enum):
    """What the tracking server knows of a claimed value."""

    RUN_BACKED = "run_backed"
    MISMATCH = "mismatch"
    REUSED = "reused"
    """A run logged it, and backs a reward already."""
    CLAIMED = "claimed"


@dataclass(frozen=True)
class Head:
    """The value that a series has to beat, and the version that set it."""

    value: Decimal
    direction: Direction
    name: str
    version: int


@dataclass(frozen=True)
class Candidate:
    """A value to be decided on."""

    metric: str
    value: Decimal
    direction: Direction | None
    threshold: Decimal = DEFAULT_THRESHOLD
    unit: str | None = None
    """As the catalogue has it; None for a metric that it does not know."""
    copy_of: str | None = None
    """``NAME version N`` of the tokenised version that it repeats, where it is a copy."""
    unpaid_because: str | None = None
    """Why an improvement earns nothing, where that is so."""


@dataclass(frozen=True)
class Verdict:
    """The conclusion on a candidate, with its reason in a sentence."""

    outcome: Outcome
    improvement: Decimal | None
    """In the metric's own unit, positive where better; None where nothing was compared."""
    reason: str

    @property
    def moves_head(self) -> bool:
        return self.outcome.value in SETS_HEAD

    @property
    def improvement_pp(self) -> str | None:
        """In percentage points, as an exact decimal."""
        return None if self.improvement is None else percentage_points(self.improvement)


def decide(candidate: Candidate, head: Head | None) -> Verdict:
    """Decide on a candidate by R9 and R10.

    Args:
        candidate: The value, with the direction that the catalogue or the tag gives its metric.
        head: The head of its series, or None where this is the first value.
    """
    # First of all: a copy must not begin a series either, whatever its metric and direction.
    if candidate.copy_of is not None:
        return Verdict(Outcome.COPY, None, _COPIES.format(candidate.copy_of))
    if candidate.direction is None:
        return Verdict(
            Outcome.DIRECTION_UNKNOWN,
            None,
            f"Nobody said whether more or less {candidate.metric} is better. Set tag "
            "benchmark_direction to maximize or minimize, or add the metric to the catalogue.",
        )
    if head is None:
        reason = f"It is the first {candidate.metric} of this token: {plain(candidate.value)}."
        if candidate.unpaid_because is not None:
            reason = f"{reason} It stays the value to beat: {candidate.unpaid_because}."
        return Verdict(Outcome.BASELINE, None, reason)
    if head.direction is not candidate.direction:
        return Verdict(
            Outcome.DIRECTION_UNKNOWN,
            None,
            f"The series began with {head.direction.value}, but {candidate.direction.value} is "
            "declared now: values of the two cannot be compared.",
        )
    return _compare(candidate, head)


_COPIES = "It copies {}, with the same token, metric and value."
_COPIED = re.compile(r"It copies (.+) version [0-9]+, with .*", re.DOTALL)


def copied_model(reason: str) -> str | None:
    """The model that the reason of a copy's decision names; None where it names none."""
    found = _COPIED.fullmatch(reason)
    return found[1] if found else None


def _compare(candidate: Candidate, head: Head) -> Verdict:
    assert candidate.direction is not None  # noqa: S101  # decide() has seen to it
    better_by = improvement(candidate.value, head.value, candidate.direction)
    compared = (
        f"{candidate.metric} {plain(candidate.value)} "
        f"{against(plain(head.value), head.name, head.version)}"
    )
    points = percentage_points(better_by.copy_abs())
    if better_by < 0:
        reason = f"{compared}: worse by {points} percentage points."
        return Verdict(Outcome.REGRESSED, better_by, reason)
    needed = percentage_points(candidate.threshold)
    reason = f"{compared}: better by {points} percentage points; a DeltaOne needs {needed}."
    if better_by < candidate.threshold:
        return Verdict(Outcome.BELOW_THRESHOLD, better_by, reason)
    if candidate.unpaid_because is not None:
        reason = f"{reason} Nothing is earned: {candidate.unpaid_because}."
        return Verdict(Outcome.BASELINE, better_by, reason)
    return Verdict(Outcome.ACHIEVED, better_by, reason)


def improvement(value: Decimal, over: Decimal, direction: Direction) -> Decimal:
    """By how much a value is better than another, exact; negative where it is worse."""
    return EXACT.multiply(EXACT.subtract(value, over), Decimal(direction.sign))


def against(value: object, name: object, version: object) -> str:
    """How a reason names the head that a value was compared with."""
    return f"against {value} of {name} version {version}"


def percentage_points(amount: Decimal) -> str:
    """An amount in percentage points, exact: ``0.02`` is ``2``."""
    return plain(EXACT.multiply(amount, Decimal(100)))
