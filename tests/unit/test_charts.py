"""Where the marks of charts and the lines of lineage are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.web.pages import lanes
from hokusai_mlflow_plugin.web.pages.charts import HEIGHT, Point, chart, head_after, spark


def point(value, time_ms=0, outcome=None, head=None):
    return Point(value, time_ms, outcome, head, f"label {value}", "/", None)


VALUES = st.decimals(-(10**37), 10**37, places=6, allow_nan=False).map(str)


@given(st.lists(st.tuples(VALUES, st.integers(0, 2**41)), min_size=1, max_size=30))
def test_every_mark_is_inside(values):
    """Each value has a place inside the plot, whatever its size; axes have few, ordered labels."""
    points = sorted((point(value, time) for value, time in values), key=lambda each: each.time_ms)
    for over in ("order", "time"):
        drawn = chart(points, over)
        assert len(drawn.marks) == len(points)
        assert all(0 <= mark.x <= 100 and 0 <= mark.y <= HEIGHT for mark in drawn.marks)
        heights = [label.at for label in drawn.up]
        assert 1 <= len(heights) <= 11
        assert heights == sorted(heights, reverse=True)


def test_higher_values_are_higher_up():
    """Up is more, whether more is better or worse."""
    low, high = chart([point("0.1"), point("0.9")]).marks
    assert high.y < low.y
    assert high.x > low.x


def test_time_sets_marks_apart():
    """Over time marks are as far apart as their times; by version evenly."""
    points = [point("1", 0), point("1", 10), point("1", 100)]
    one, two, three = (mark.x for mark in chart(points, "time").marks)
    assert two - one == pytest.approx((three - one) / 10, abs=0.02)
    one, two, three = (mark.x for mark in chart(points).marks)
    assert two - one == pytest.approx(three - two)


def test_head_is_a_step_line():
    """The head goes level until a version moves it, then straight up, and to the right end."""
    heads = ["0.5", "0.5", "0.7"]
    drawn = chart([point(head, outcome="achieved", head=head) for head in heads])
    level, step, rest = drawn.head
    assert level.y1 == level.y2 == step.y1
    assert step.x1 == step.x2
    assert (rest.y1, rest.y2, rest.x2) == (step.y2, step.y2, 100.0)


def test_head_after_a_decision():
    """A baseline and a DeltaOne set the head; else it is what the version was measured against."""
    assert head_after("achieved", "0.9", "0.8") == "0.9"
    assert head_after("baseline", "0.9", None) == "0.9"
    assert head_after("regressed", "0.7", "0.8") == "0.8"
    assert head_after(None, "", None) is None


def test_axis_labels_are_exact():
    """Labels are round decimals, not floats that were cut."""
    labels = [label.text for label in chart([point("0.1"), point("0.3")]).up]
    assert labels == ["0.1", "0.15", "0.2", "0.25", "0.3"]


def test_spark_stays_in_its_box():
    """A small chart's marks are inside its box, also where there is one value alone."""
    for values in ([("1", None)], [("1", None), ("2", "achieved"), ("0", None)]):
        assert all(0 <= m.x <= 100 and 0 <= m.y <= 30 for m in spark(values, 100, 30))


def key(number, name="m"):
    return name, str(number)


def test_versions_in_a_row_have_one_lane():
    """A thousand versions, each after the one before it, are one line."""
    keys = [key(number) for number in range(1000, 0, -1)]
    parents = {key(number): (key(number - 1), "preceding") for number in range(2, 1001)}
    rows = lanes.rows(keys, parents)
    assert {row.lane for row in rows} == {0}
    assert all(row.from_above for row in rows[1:])
    assert rows[-1].goes_on is None
    assert not any(row.passing or row.joins or row.is_open for row in rows)


def test_branches_join_the_line_that_leads_to_their_parent():
    """Of several versions from one parent the first keeps its lane, the others join it."""
    keys = [key(4), key(3), key(2), key(1)]
    parents = {key(number): (key(1), "previous_version") for number in (2, 3, 4)}
    rows = lanes.rows(keys, parents)
    assert rows[0].goes_on == "previous_version"
    assert [row.joins for row in rows[1:3]] == [(0, "previous_version")] * 2
    assert [row.lane for row in rows] == [0, 1, 1, 0]
    assert rows[3].from_above == "previous_version"


def test_parent_that_is_not_there_leaves_the_line_open():
    """A line to a version of another page ends beside its row."""
    (row,) = lanes.rows([key(5)], {key(5): (key(4), "preceding")})
    assert row.is_open
    assert row.goes_on is None


@given(st.lists(st.integers(1, 60), min_size=2, max_size=60))
def test_lines_meet_their_parents(choices):
    """Every line that is drawn ends at its parent's row, whoever the parents are."""
    count = len(choices)
    keys = [key(number) for number in range(count, 0, -1)]
    parents = {
        key(number): (key(1 + choices[number - 1] % (number - 1)), "previous_version")
        for number in range(2, count + 1)
    }
    awaited = {}
    for each, row in zip(keys, lanes.rows(keys, parents), strict=True):
        assert row.lane <= lanes.MAX_LANES
        assert (row.from_above is not None) == (awaited.get(row.lane) == each)
        awaited.pop(row.lane, None)
        if row.joins:
            assert awaited[row.joins[0]] == parents[each][0]
        if row.goes_on:
            awaited[row.lane] = parents[each][0]
    assert not awaited
