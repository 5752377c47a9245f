"""R9 and R10: when an improvement is a DeltaOne."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.db.schema import tables
from hokusai_mlflow_plugin.domain.delta import (
    Candidate,
    Head,
    Outcome,
    Verdict,
    copied_model,
    decide,
    percentage_points,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.domain.values import parse_benchmark_value

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE
EPSILON = Decimal("1e-18")
"""The smallest step that a benchmark value can take."""

HUNDREDTHS = [f"{n / 100:.2f}" for n in range(100)]
STEPS = [
    *((MAX, low, high) for low, high in pairwise(HUNDREDTHS)),
    *((MIN, high, low) for low, high in pairwise(HUNDREDTHS)),
]
"""Every step of one percentage point between 0.00 and 0.99: direction, head, value."""

values = st.decimals("-1e6", "1e6", places=18)


def decided(
    direction: Direction | None,
    head: str | Decimal | None,
    value: str | Decimal,
    threshold: str = "0.01",
    **others: str,
) -> Verdict:
    """The verdict on a value against a head of the same direction."""
    exact = _exact(value)
    candidate = Candidate("accuracy", exact, direction, Decimal(threshold), **others)
    if head is None:
        return decide(candidate, None)
    return decide(candidate, Head(_exact(head), direction or MAX, "model", 3))


def _exact(value: str | Decimal) -> Decimal:
    parsed = parse_benchmark_value(value) if isinstance(value, str) else value
    assert parsed is not None
    return parsed


def test_there_are_198_one_point_steps():
    """The table of steps is whole."""
    assert len(set(STEPS)) == 198


@pytest.mark.parametrize(("direction", "head", "value"), STEPS)
def test_exactly_one_point_is_achieved(direction, head, value):
    """An improvement of exactly one percentage point is a DeltaOne, wherever it begins."""
    verdict = decided(direction, head, value)
    assert verdict.outcome is Outcome.ACHIEVED
    assert verdict.improvement_pp == "1"
    assert verdict.moves_head


@pytest.mark.parametrize(("direction", "head", "value"), STEPS)
def test_less_than_one_point_is_not_achieved(direction, head, value):
    """An improvement that lacks 10⁻¹⁸ of one percentage point is not a DeltaOne."""
    verdict = decided(direction, head, _exact(value) - direction.sign * EPSILON)
    assert verdict.outcome is Outcome.BELOW_THRESHOLD
    assert verdict.improvement_pp == "0.9999999999999999"
    assert not verdict.moves_head


@pytest.mark.parametrize(
    ("direction", "head", "value", "outcome", "points"),
    [
        (MAX, None, "0.85", Outcome.BASELINE, None),
        (MAX, "0.850", "0.855", Outcome.BELOW_THRESHOLD, "0.5"),
        (MAX, "0.850", "0.860", Outcome.ACHIEVED, "1"),
        (MAX, "0.85", "0.87", Outcome.ACHIEVED, "2"),
        (MAX, "0.85", "0.85", Outcome.BELOW_THRESHOLD, "0"),
        (MAX, "0.85", "0.8500", Outcome.BELOW_THRESHOLD, "0"),
        (MAX, "0.85", "0.84", Outcome.REGRESSED, "-1"),
        (MIN, "0.15", "0.13", Outcome.ACHIEVED, "2"),
        (MIN, "0.15", "0.16", Outcome.REGRESSED, "-1"),
        (MIN, "0.29", "0.28", Outcome.ACHIEVED, "1"),
        (MIN, "25.3", "24.5", Outcome.ACHIEVED, "80"),
        (MAX, "-0.005", "0.005", Outcome.ACHIEVED, "1"),
        (MIN, "1e-2", "0", Outcome.ACHIEVED, "1"),
    ],
)
def test_outcomes(direction, head, value, outcome, points):
    """The outcome follows from the improvement on the head, in the metric's own direction."""
    verdict = decided(direction, head, value)
    assert (verdict.outcome, verdict.improvement_pp) == (outcome, points)


def test_threshold_of_the_metric():
    """The catalogue's threshold replaces the usual one point."""
    assert decided(MIN, "25.3", "24.9", "0.5").outcome is Outcome.BELOW_THRESHOLD
    assert decided(MIN, "25.3", "24.8", "0.5").outcome is Outcome.ACHIEVED
    assert decided(MAX, "0.85", "0.855", "0.005").outcome is Outcome.ACHIEVED


@pytest.mark.parametrize("threshold", ["0.005", "0.1", "5", "1000"])
def test_other_thresholds_are_as_exact(threshold):
    """Also where floats are coarser than 10⁻¹⁸: exactly the threshold is enough, less is not."""
    needed = Decimal(threshold)
    assert decided(MAX, "0", needed, threshold).outcome is Outcome.ACHIEVED
    assert decided(MAX, "0", needed - EPSILON, threshold).outcome is Outcome.BELOW_THRESHOLD


def test_unknown_direction_is_never_guessed():
    """Without a direction nothing is compared, nothing is a baseline, nothing is achieved."""
    for head in (None, "0.85"):
        verdict = decided(None, head, "0.99")
        assert (verdict.outcome, verdict.improvement) == (Outcome.DIRECTION_UNKNOWN, None)
        assert not verdict.moves_head
        assert "benchmark_direction" in verdict.reason


def test_direction_of_the_series_cannot_turn():
    """A value declared the other way round than its series is compared with nothing."""
    head = Head(Decimal("0.85"), MAX, "model", 1)
    verdict = decide(Candidate("uplift", Decimal("0.5"), MIN), head)
    assert (verdict.outcome, verdict.improvement) == (Outcome.DIRECTION_UNKNOWN, None)
    assert "maximize" in verdict.reason
    assert "minimize" in verdict.reason


@pytest.mark.parametrize("head", [None, "0.1"])
@pytest.mark.parametrize("direction", [None, MAX, MIN])
def test_a_copy_earns_nothing(direction, head):
    """A copy is recognised before anything is compared, and never moves the head."""
    verdict = decided(direction, head, "0.99", copy_of="other version 2")
    assert (verdict.outcome, verdict.improvement) == (Outcome.COPY, None)
    assert not verdict.moves_head
    assert "other version 2" in verdict.reason


@pytest.mark.parametrize("name", ["other", "other version 3", "two\nlines, with version 1"])
def test_the_model_of_a_copy_is_found_in_its_reason(name):
    """Whoever may not read that model is not told its name; other reasons name none."""
    copy = decided(MAX, "0.1", "0.99", copy_of=f"{name} version 2")
    assert copied_model(copy.reason) == name
    assert copied_model(decided(MAX, "0.1", "0.99").reason) is None


@pytest.mark.parametrize(
    ("head", "value", "text"),
    [
        ("0.850", "0.860", "accuracy 0.86 against 0.85 of model version 3: better by 1 percentage"),
        ("0.85", "0.855", "better by 0.5 percentage points; a DeltaOne needs 1."),
        ("0.85", "0.80", "accuracy 0.8 against 0.85 of model version 3: worse by 5 percentage"),
    ],
)
def test_reason_says_what_was_compared(head, value, text):
    """The reason names both values, the version compared with, the difference and the threshold."""
    assert text in decided(MAX, head, value).reason


def test_reason_of_a_baseline():
    """The first value of a series says that it is the first."""
    assert "first accuracy of this token: 0.85" in decided(MAX, None, "0.850").reason


@given(values, values, st.sampled_from(Direction))
def test_improvement_is_exact(head, value, direction):
    """The improvement is the exact difference, and the outcome follows from its comparison alone.

    Checked in whole units of 10⁻¹⁸, so that no decimal context takes part.
    """
    verdict = decided(direction, head, value)
    units = (int(value.scaleb(18)) - int(head.scaleb(18))) * direction.sign
    assert verdict.improvement is not None
    assert int(verdict.improvement.scaleb(18)) == units
    expected = (
        Outcome.REGRESSED
        if units < 0
        else Outcome.ACHIEVED
        if units >= 10**16
        else Outcome.BELOW_THRESHOLD
    )
    assert verdict.outcome is expected


@given(values, values)
def test_the_two_directions_mirror_each_other(head, value):
    """What is better for one direction is worse by the same for the other."""
    up, down = decided(MAX, head, value), decided(MIN, head, value)
    assert up.improvement == -down.improvement


@pytest.mark.parametrize(
    ("head", "value"),
    [
        ("0", 38 * "9"),
        ("-" + 38 * "9", 38 * "9"),
        (20 * "9" + "." + 18 * "9", "-1e-18"),
        ("1e37", "0.000000000000000001"),
        ("-1e-18", "1e37"),
        ("-1e-48", "1e37"),
        ("-" + 38 * "9", "1." + 37 * "9" + "e-11"),
    ],
)
def test_the_widest_values_stay_exact(head, value):
    """No digit is lost between the largest and the smallest values; the text fits its column."""
    points = decided(MAX, head, value).improvement_pp
    assert points is not None
    assert Fraction(points) == (Fraction(value) - Fraction(head)) * 100
    assert len(points) <= tables.decisions.c.improvement_pp.type.length


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.02", "2"), ("-0.0150", "-1.5"), ("0", "0"), ("1e-18", "0." + 15 * "0" + "1")],
)
def test_percentage_points(amount, text):
    """One hundredth is one point, written without exponent and needless zeros."""
    assert percentage_points(Decimal(amount)) == text
