"""A scan of the whole registry looks each batch's tags up, whatever the sizes of its models."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from plans.large_registry import seed_module
from plans.plans import plans_of
from sqlalchemy import create_engine

from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.db.key_ranges import Position, Span
from hokusai_mlflow_plugin.domain.tags import RULED_TAGS

VERSIONS = 100_000


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
@pytest.mark.parametrize("versions_per_model", [2, 20_000])
def test_tags_of_a_batch(database_uri: str, versions_per_model: int) -> None:
    """PostgreSQL reads neither all tags for a batch, nor compares each with each version.

    Left to choose a join it does the one in large models and the other in small ones, by its
    estimates of ranges of names; the tables have their statistics.
    """
    seed_module().seed(database_uri, VERSIONS, versions_per_model)
    engine = create_engine(database_uri)
    spans = spans_of(engine)
    assert len(spans) == VERSIONS // 2000 + 1
    for span in spans[::5]:
        read = partial(registry_scan.read_tags, span=span, keys=RULED_TAGS)
        (plan,) = plans_of(engine, read)
        assert "Join Filter" not in plan.text, span
        assert plan.scanned_tables() == set(), span
    engine.dispose()


def spans_of(engine: Any) -> list[Span]:
    """All batches of a registry that has no index."""
    spans: list[Span] = []
    with engine.connect() as connection:
        after: Position | None = None
        while not spans or after is not None:
            spans.append(
                registry_scan.next_span(connection, "default", after, 2000, with_index=False)
            )
            after = spans[-1].last
    return spans
