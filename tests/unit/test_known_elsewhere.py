"""R18: a DeltaOne earns nothing where another workspace has got further with its token."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.db.deltaone.series_heads import HeadElsewhere
from hokusai_mlflow_plugin.db.deltaone.surroundings import SeriesHead
from hokusai_mlflow_plugin.services.deltaone.unpaid import ELSEWHERE, known_elsewhere


@pytest.mark.parametrize(
    ("heads", "is_further"),
    [
        ([], False),
        ([("maximize", "0.9")], True),
        ([("maximize", "0.8")], False),  # the same is not further
        ([("maximize", "0.7")], False),
        ([("minimize", "0.9")], False),
        ([("minimize", "0.7"), ("maximize", "0.81")], True),
        ([("maximize", "0.7"), ("maximize", "0.81")], True),
    ],
)
def test_known_elsewhere(heads, is_further):
    """Any better head of the same direction counts, wherever it is among them."""
    own = SeriesHead("maximize", "0.8", "own", "model", 1, 0)
    elsewhere = [HeadElsewhere("team", direction, value, "id") for direction, value in heads]
    assert known_elsewhere(own, elsewhere) == (ELSEWHERE if is_further else None)
