"""R12: a source keeps the name that its model had; another model that takes it is no parent."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from support.registry import VALUE, create_version, set_tag, token_tags
from support.rewards import outcome

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage


@pytest.fixture
def copied(store):
    """A store with a copy whose original was renamed, and its name taken by another model."""
    create_version(store, "origin")
    store.copy_model_version(store.get_model_version("origin", "1"), "copy")
    store.rename_registered_model("origin", "elsewhere")
    create_version(store, "origin", token_tags(**{VALUE: "0.5"}))
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE model_versions SET creation_time = creation_time + 5 WHERE name = 'origin'"
            )
        )
    return store


def test_a_model_that_took_the_name_is_no_parent(copied):
    """What was made after the copy cannot be what was copied."""
    (item,) = copied.ask(get_lineage, "copy")["lineage"]
    assert item["parent"] is None


def test_nor_is_a_version_a_copy_of_it(copied):
    """An amendment to the value of a later model is decided on as any other."""
    set_tag(copied, "copy", 1, VALUE, "0.5")
    assert outcome(copied, "copy") == "regressed"


def test_a_copy_has_its_parent(store):
    """A copy made at the same moment is of what it names."""
    create_version(store, "origin")
    store.copy_model_version(store.get_model_version("origin", "1"), "copy")
    (item,) = store.ask(get_lineage, "copy")["lineage"]
    assert item["parent"] == {"name": "origin", "version": "1", "relation": "copy"}
