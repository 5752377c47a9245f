"""R12: a source keeps the name that its model had; a copy's original is found under today's name.

A model that took the name since is never it.
"""

from __future__ import annotations

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text
from support.registry import VALUE, create_model, create_version, set_tag, token_tags
from support.rewards import outcome
from support.statements import statements

from hokusai_mlflow_plugin.db.index import past_names
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage


def copy(store, name="copy", of="origin"):
    """Copy the first version of a model; its number."""
    copied = store.copy_model_version(store.get_model_version(of, "1"), name)
    return int(copied.version)


def parent(store, name="copy"):
    """Model and version that the last version of a model was made from, or None."""
    found = store.ask(get_lineage, name)["lineage"][-1]["parent"]
    return found and (found["name"], found["version"], found["relation"])


def make_later(store, name):
    """Have the versions of a model be made after everything else."""
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE model_versions SET creation_time = creation_time + 5000 WHERE name = :name"
            ),
            {"name": name},
        )


def make_earlier(store, name):
    """Have the versions of a model be made before everything else."""
    with store.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE model_versions SET creation_time = creation_time - 5000 WHERE name = :name"
            ),
            {"name": name},
        )


@pytest.fixture
def copied(store):
    """A store with a copy whose original was renamed, and its name taken by another model."""
    create_version(store, "origin")
    copy(store)
    store.rename_registered_model("origin", "elsewhere")
    create_version(store, "origin", token_tags(**{VALUE: "0.5"}))
    make_later(store, "origin")
    return store


def test_the_parent_is_the_renamed_model(copied):
    """And not the one that took the name."""
    assert parent(copied) == ("elsewhere", "1", "copy")


def test_nor_is_a_version_a_copy_of_it(copied):
    """An amendment to the value of a later model is decided on as any other."""
    set_tag(copied, "copy", 1, VALUE, "0.5")
    assert outcome(copied, "copy") == "regressed"


def test_an_older_model_that_takes_the_name_is_none(store):
    """Age does not make a model the original: it had another name when the copy was made."""
    create_version(store, "older", token_tags(**{VALUE: "0.5"}))
    create_version(store, "origin")
    make_earlier(store, "older")
    copy(store)
    store.rename_registered_model("origin", "elsewhere")
    store.rename_registered_model("older", "origin")
    assert parent(store) == ("elsewhere", "1", "copy")
    store.rename_registered_model("origin", "older again")
    assert parent(store) == ("elsewhere", "1", "copy")
    set_tag(store, "copy", 1, VALUE, "0.5")
    assert outcome(store, "copy") == "regressed"


@pytest.mark.parametrize("emptied", [False, True])
def test_an_older_model_takes_the_name_of_one_that_was_deleted(store, *, emptied):
    """The original is gone; who has its name now is another, tokenised or not."""
    create_model(store, "older")
    create_version(store, "older", tags={})
    create_version(store, "origin")
    make_earlier(store, "older")
    copy(store)
    if emptied:
        store.delete_model_version("origin", "1")
    store.delete_registered_model("origin")
    store.rename_registered_model("older", "origin")
    assert parent(store) is None
    set_tag(store, "origin", 1, "hokusai_token_id", "IMG-001")
    assert parent(store) is None


def test_renamed_twice(store):
    """Each rename is followed, also back to a name that it had before."""
    create_version(store, "origin")
    copy(store)
    for name in ("second", "third", "origin"):
        store.rename_registered_model(store_name(store), name)
        assert parent(store) == (name, "1", "copy")


def store_name(store):
    """The name of the model that is not the copy."""
    (found,) = {each.name for each in store.search_registered_models()} - {"copy"}
    return found


def test_copied_between_renames(store):
    """A copy is of the model that had the name when it was made, and no sooner."""
    create_version(store, "origin")
    store.rename_registered_model("origin", "second")
    copy(store, of="second")
    store.rename_registered_model("second", "third")
    create_version(store, "second", token_tags(**{VALUE: "0.5"}))
    make_later(store, "second")
    assert parent(store) == ("third", "1", "copy")


def test_two_models_swap_their_names(store):
    """Each copy follows its own original through the same names; nothing goes round in a circle."""
    create_version(store, "left")
    create_version(store, "right", token_tags(**{VALUE: "0.5"}))
    copy(store, "copy of left", "left")
    copy(store, "copy of right", "right")
    for name, new_name in (("left", "third"), ("right", "left"), ("third", "right")):
        store.rename_registered_model(name, new_name)
    assert parent(store, "copy of left") == ("right", "1", "copy")
    assert parent(store, "copy of right") == ("left", "1", "copy")


def test_the_copy_is_renamed(store):
    """Its own name says nothing of its original."""
    create_version(store, "origin")
    copy(store)
    store.rename_registered_model("copy", "renamed")
    assert parent(store, "renamed") == ("origin", "1", "copy")


def test_a_copy_in_its_own_model_is_renamed_with_it(store):
    """Original and copy go to the new name together."""
    create_version(store, "origin")
    create_version(store, "origin", token_tags(**{VALUE: "0.5"}))
    copy(store, "origin")
    store.rename_registered_model("origin", "renamed")
    assert parent(store, "renamed") == ("renamed", "1", "copy")


def test_too_many_renames(store, monkeypatch):
    """What was renamed more often than is followed is lost, at a bounded number of statements."""
    monkeypatch.setattr(past_names, "MAX_RENAMES", 2)
    create_version(store, "origin")
    copy(store)
    for number, expected in ((1, True), (2, True), (3, False)):
        store.rename_registered_model(store_name(store), f"name {number}")
        assert (parent(store) is not None) is expected


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_outcome_of_a_copy(store, when):
    """What repeats its original is a copy, decided on before the rename or after it (R10)."""
    create_version(store, "origin")
    copy(store)
    assert outcome(store, "copy") == "copy"
    store.rename_registered_model("origin", "elsewhere")
    if when == "after":
        copy(store, "copy", "elsewhere")
        assert outcome(store, "copy", 2) == "copy"
        return
    set_tag(store, "copy", 1, VALUE, "0.5")
    assert outcome(store, "copy") == "regressed"
    set_tag(store, "copy", 1, VALUE, token_tags()[VALUE])
    assert outcome(store, "copy") == "copy"


def test_a_copy_has_its_parent(store):
    """A copy made at the same moment is of what it names."""
    create_version(store, "origin")
    copy(store)
    assert parent(store) == ("origin", "1", "copy")


def test_statements(store, database_uri):
    """Untokenised models are renamed and deleted at the old cost; a renamed original costs three.

    One for each name it had, and one for the version; on MySQL the stored spelling besides.
    """
    for tags in ({}, {"note": "a"}):
        create_version(store, "plain", tags)
        with statements(store.engine) as sent:
            store.rename_registered_model("plain", "renamed")
            store.delete_registered_model("renamed")
        assert not [each for each in sent if "hokusai_model_names" in each]
    create_version(store, "origin")
    copy(store)
    with statements(store.engine) as before:
        parent(store)
    store.rename_registered_model("origin", "elsewhere")
    with statements(store.engine) as after:
        assert parent(store) == ("elsewhere", "1", "copy")
    assert len(after) - len(before) <= (4 if database_uri.startswith("mysql") else 3)


def test_a_stock_server_renames_unseen(store, database_uri):
    """A rename past the plugin is on no record: the copy has no parent, never a wrong one."""
    create_version(store, "origin")
    copy(store)
    SqlAlchemyStore(database_uri).rename_registered_model("origin", "elsewhere")
    create_version(store, "origin", token_tags(**{VALUE: "0.5"}))
    make_later(store, "origin")
    assert parent(store) is None
