"""R9 and R13: which value of the past a series begins with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.services.deltaone.best_values import Best, beats, extremes, keep_best

SERIES = SeriesId("default", "IMG-001", "uplift")


def row(value: str) -> Any:
    return SimpleNamespace(benchmark_value=value)


def values(rows: list[Any]) -> list[str]:
    return [each.benchmark_value for each in rows]


@pytest.mark.parametrize(
    ("known", "new", "kept"),
    [
        ([], "5", ["5"]),
        (["5"], "10", ["5", "10"]),
        (["5"], "-1", ["-1", "5"]),
        (["5", "10"], "7", ["5", "10"]),
        (["5", "10"], "1e2", ["5", "1e2"]),
        (["5", "10"], "4", ["4", "10"]),
    ],
)
def test_extremes(known, new, kept):
    """The least and the greatest number, not text, whichever comes when."""
    assert values(extremes(row(new), [row(each) for each in known])) == kept


@pytest.mark.parametrize(
    ("direction", "better"), [(Direction.MAXIMIZE, "10"), (Direction.MINIMIZE, "4")]
)
def test_beats(direction, better):
    """A better value in the series' direction; the same one does not."""
    assert beats(Best(row(better), direction, None), "5")
    assert not beats(Best(row("5.0"), direction, None), "5")
    assert not beats(Best(row("5"), direction, None), better)


@pytest.mark.parametrize(
    ("head", "said", "best"),
    [
        (None, ["maximize", "maximize"], ["maximize", "10"]),
        (None, ["minimize", "minimize"], ["minimize", "5"]),
        (None, ["maximize", "minimize"], ["maximize", "5"]),  # the first that was said counts
        (None, [None, "maximize"], ["maximize", "10"]),
        ("minimize", ["maximize", "minimize"], ["minimize", "10"]),
        ("minimize", ["maximize", "maximize"], None),
        ("minimize", [None, None], None),
    ],
)
def test_keep_best(head, said, best):
    """The best of those whose direction is that of the series."""
    found: dict[SeriesId, Best] = {}
    begun = head and SimpleNamespace(direction=head)
    metric = BUILT_IN.get("accuracy")
    for value, direction in zip(("5", "10"), said, strict=True):
        keep_best(found, SERIES, row(value), direction, begun, metric)
    if best is None:
        assert found == {}
    else:
        kept = found[SERIES]
        assert [kept.direction.value, kept.row.benchmark_value] == best
        assert kept.metric is metric
