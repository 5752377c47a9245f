"""R14, R16: whose copies a run's and a copy's tags tell of."""

from __future__ import annotations

import re
import time

import pytest

from hokusai_mlflow_plugin.domain.origin import begun_ms, new_copy_id, origin_runs


@pytest.mark.parametrize(
    ("tags", "runs"),
    [
        ((), ()),
        ((None, ""), ()),
        (("b" * 32, None, "a" * 32, "b" * 32), ("a" * 32, "b" * 32)),
        (("a" * 36,), ("a" * 36,)),
        (("a" * 37,), ()),
    ],
)
def test_runs_of_origin(tags, runs):
    """Each once and in order; text that is too long for an id names none."""
    assert origin_runs(*tags) == runs


def test_a_copy_tells_when_it_was_begun():
    """Its id is read back as the time, and is another one each time."""
    before = time.time_ns() // 1_000_000
    first, second = new_copy_id(), new_copy_id()
    assert re.fullmatch(r"\d{13}-[0-9a-f]{16}", first)
    assert first != second
    assert before <= begun_ms(first) <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    ("copy_id", "ms"),
    [
        ("1795718276937-00ff", 1795718276937),
        ("1795718276937-00-ff", 1795718276937),
        ("17", 17),
        ("9" * 16 + "-00ff", int("9" * 15)),
        ("", 0),
        ("-1", 0),
        ("soon-00ff", 0),
        ("²-00ff", 0),
        ("٣-00ff", 0),
    ],
)
def test_text_that_is_no_id(copy_id, ms):
    """Whatever a tag holds is read as a time, or as the beginning of all."""
    assert begun_ms(copy_id) == ms
