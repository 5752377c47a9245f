"""Plans on a database that has no statistics of what has just been written."""

from __future__ import annotations

from typing import Any

import pytest
from plans.plans import plans_of
from support.bulk import seed_versions

from hokusai_mlflow_plugin.db.deltaone import past_values
from hokusai_mlflow_plugin.db.index import index_rows
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
def test_a_rename_joins_nothing(store: Any) -> None:
    """PostgreSQL looks each decision's version up by key: without statistics it would go through
    all of a model's versions for each of its decisions.
    """
    seed_versions(store, 2000)
    plans = plans_of(
        store.engine, lambda c: index_rows.rename_model(c, ModelId("default", "model"), "other")
    )
    of_decisions = [each.text for each in plans if "UPDATE hokusai_decisions" in each.statement]
    assert len(of_decisions) == 1
    assert "Nested Loop" not in of_decisions[0]
    assert "Join" not in of_decisions[0]
    assert "version = hokusai_decisions.version" in of_decisions[0]


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
def test_a_takeover_joins_no_decisions(store: Any) -> None:
    """The best values of the past are found without them: a backfill writes one for each series as
    it goes, and PostgreSQL, which has no statistics of them, would compare each row with each.
    """
    seed_versions(store, 2000)
    plans = plans_of(
        store.engine, lambda c: list(past_values.read_values(c, "default", "", None, BUILT_IN))
    )
    assert plans
    assert not any("hokusai_decisions" in each.statement for each in plans)
