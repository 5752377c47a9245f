"""Two writes race, and what they leave behind is what some order of the two would have left (R4).

Each pair has read the registry before either writes: what MLflow alone then loses or breaks is
what the plugin's lock on the registered model, and its second look behind it, are for.
"""

from __future__ import annotations

import pytest
from concurrency.racing import DONE, NOT_FOUND, REFUSED, race
from mlflow.exceptions import MlflowException
from support.index import assert_index_is_truth, indexed_versions
from support.registry import (
    METRIC,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)


@pytest.fixture(autouse=True)
def _truth(store):
    """Whatever happens in a race, the index says what the tags say."""
    yield
    assert_index_is_truth(store)


def tags_of(store, version="1", name="model"):
    return dict(store.get_model_version(name, version).tags)


def test_token_given_while_a_tag_it_needs_is_deleted(store):
    """The version ends as pending, or the deletion is refused; it is never tokenised in part."""
    create_version(store, tags={METRIC: "accuracy", VALUE: "0.85"})
    given, deleted = race(
        lambda: set_tag(store, "model", 1, TOKEN, "IMG-001"),
        lambda: store.delete_model_version_tag("model", "1", VALUE),
    )
    assert given == DONE
    assert deleted in (DONE, REFUSED)
    assert (VALUE in tags_of(store)) == (deleted == REFUSED)


def test_last_two_tags_at_once(store):
    """Two tags that complete a version together make it tokenised, whichever comes second."""
    create_version(store, tags={})
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    outcomes = race(
        lambda: set_tag(store, "model", 1, METRIC, "accuracy"),
        lambda: set_tag(store, "model", 1, VALUE, "0.85"),
    )
    assert outcomes == [DONE, DONE]
    assert indexed_versions(store) == [("model", 1, "IMG-001")]


def test_contributors_that_differ(store):
    """Of two tags that contradict each other only one is accepted."""
    create_version(store)
    outcomes = race(
        lambda: set_tag(store, "model", 1, "contributor", "alice"),
        lambda: set_tag(store, "model", 1, "contributor_address", "bob"),
    )
    assert sorted(outcomes) == [DONE, REFUSED]


def test_value_out_of_the_new_metrics_bounds(store):
    """A value and a metric that exclude each other are not both accepted."""
    create_version(store, tags=token_tags(benchmark_metric="rmse"))
    outcomes = race(
        lambda: set_tag(store, "model", 1, METRIC, "accuracy"),
        lambda: set_tag(store, "model", 1, VALUE, "17"),
    )
    assert sorted(outcomes) == [DONE, REFUSED]


def test_model_token_against_a_new_version(store):
    """A model gets a token while a version with another one is created: one of them is refused."""
    create_model(store)
    outcomes = race(
        lambda: set_model_tag(store, "model", TOKEN, "IMG-002"),
        lambda: create_version(store, tags=token_tags()),
    )
    assert sorted(outcomes) == [DONE, REFUSED]


def test_model_token_against_an_amendment(store):
    """A model gets a token while a version of it gets another one: one of them is refused."""
    create_version(store)
    outcomes = race(
        lambda: set_model_tag(store, "model", TOKEN, "IMG-001"),
        lambda: set_tag(store, "model", 1, TOKEN, "IMG-002"),
    )
    assert sorted(outcomes) == [DONE, REFUSED]


def test_same_new_tag_twice(store):
    """Two writers who set the same new tag both succeed, and one of the values stays."""
    create_version(store, tags={})
    outcomes = race(
        lambda: set_tag(store, "model", 1, "note", "a"),
        lambda: set_tag(store, "model", 1, "note", "b"),
    )
    assert outcomes == [DONE, DONE]
    assert tags_of(store)["note"] in ("a", "b")


def test_same_new_token_tag_twice(store):
    """The same for a tag that the rules look at."""
    create_version(store, tags={TOKEN: "IMG-001", METRIC: "accuracy", VALUE: "0.85"})
    outcomes = race(
        lambda: set_tag(store, "model", 1, "contributor", "alice"),
        lambda: set_tag(store, "model", 1, "contributor", "bob"),
    )
    assert outcomes == [DONE, DONE]
    assert tags_of(store)["contributor"] in ("alice", "bob")


@pytest.mark.parametrize("key", ["note", "contributor"])
def test_tag_set_while_it_is_deleted(store, key):
    """Both succeed, and the tag is there or not, but with no value that nobody set."""
    create_version(store, tags=token_tags(**{key: "old"}))
    outcomes = race(
        lambda: set_tag(store, "model", 1, key, "new"),
        lambda: store.delete_model_version_tag("model", "1", key),
    )
    assert outcomes == [DONE, DONE]
    assert tags_of(store).get(key) in (None, "new")


@pytest.mark.parametrize("key", ["note", "contributor"])
def test_tag_deleted_twice(store, key):
    """Deleting is idempotent, also at the same time."""
    create_version(store, tags=token_tags(**{key: "old"}))
    outcomes = race(*[lambda: store.delete_model_version_tag("model", "1", key)] * 2)
    assert outcomes == [DONE, DONE]
    assert key not in tags_of(store)


@pytest.mark.parametrize("archive", [False, True])
def test_stage_of_a_version_that_is_deleted_meanwhile(store, archive):
    """A deleted version stays deleted: a stage set by a writer who still saw it is no revival."""
    create_version(store)
    staged, deleted = race(
        lambda: store.transition_model_version_stage("model", "1", "Production", archive),
        lambda: store.delete_model_version("model", "1"),
    )
    assert staged in (DONE, NOT_FOUND)
    assert deleted == DONE
    with pytest.raises(MlflowException, match="not found"):
        store.get_model_version("model", "1")


def test_archiving_a_version_that_is_deleted_meanwhile(store):
    """The version that takes over is staged; the one that was to be archived stays deleted."""
    create_version(store)
    create_version(store)
    store.transition_model_version_stage("model", "1", "Production", False)
    outcomes = race(
        lambda: store.transition_model_version_stage("model", "2", "Production", True),
        lambda: store.delete_model_version("model", "1"),
    )
    assert outcomes == [DONE, DONE]
    assert store.get_model_version("model", "2").current_stage == "Production"
    with pytest.raises(MlflowException, match="not found"):
        store.get_model_version("model", "1")


def test_two_versions_promoted_at_once(store):
    """Two promotions that archive each other both succeed, without a deadlock's 503."""
    for _ in range(3):
        create_version(store)
    store.transition_model_version_stage("model", "3", "Production", False)
    outcomes = race(
        lambda: store.transition_model_version_stage("model", "1", "Production", True),
        lambda: store.transition_model_version_stage("model", "2", "Production", True),
    )
    assert outcomes == [DONE, DONE]


def test_version_deleted_twice(store):
    """It is gone; the second writer may hear that it is not there."""
    create_version(store)
    outcomes = race(*[lambda: store.delete_model_version("model", "1")] * 2)
    assert DONE in outcomes
    assert set(outcomes) <= {DONE, NOT_FOUND}
    assert indexed_versions(store) == []


def test_tag_that_completes_a_version_deleted_meanwhile(store):
    """A version that is gone is not indexed by a tag that comes too late."""
    create_version(store, tags={METRIC: "accuracy", VALUE: "0.85"})
    outcomes = race(
        lambda: set_tag(store, "model", 1, TOKEN, "IMG-001"),
        lambda: store.delete_model_version("model", "1"),
    )
    assert outcomes[1] == DONE
    assert outcomes[0] in (DONE, NOT_FOUND)
    assert indexed_versions(store) == []


RENAMED_WRITES = {
    "create": lambda store: create_version(store, tags=token_tags()),
    "set ruled tag": lambda store: set_tag(store, "model", 1, VALUE, "0.86"),
    "set new ruled tag": lambda store: set_tag(store, "model", 1, "contributor", "bob"),
    "set other tag": lambda store: set_tag(store, "model", 1, "old", "new"),
    "set new other tag": lambda store: set_tag(store, "model", 1, "note", "x"),
    "set model token": lambda store: set_model_tag(store, "model", TOKEN, "IMG-001"),
    "stage": lambda store: store.transition_model_version_stage("model", "1", "Staging", True),
    "delete version": lambda store: store.delete_model_version("model", "1"),
    "describe": lambda store: store.update_model_version("model", "1", "text"),
    "set alias": lambda store: store.set_registered_model_alias("model", "champion", "1"),
}


@pytest.mark.parametrize("write", RENAMED_WRITES)
def test_write_to_a_model_that_is_renamed_meanwhile(store, write):
    """It reaches the model before it is renamed, or hears that the old name is gone."""
    create_version(store, tags=token_tags(old="old"))
    written, renamed = race(
        lambda: RENAMED_WRITES[write](store),
        lambda: store.rename_registered_model("model", "renamed"),
    )
    assert renamed == DONE
    assert written in (DONE, NOT_FOUND)


@pytest.mark.parametrize("key", ["note", "contributor"])
def test_tag_deleted_while_its_model_is_renamed(store, key):
    """A deletion that is acknowledged is not undone by the rename."""
    create_version(store, tags=token_tags(**{key: "old"}))
    deleted, renamed = race(
        lambda: store.delete_model_version_tag("model", "1", key),
        lambda: store.rename_registered_model("model", "renamed"),
    )
    assert renamed == DONE
    assert deleted in (DONE, NOT_FOUND)
    assert (key in tags_of(store, name="renamed")) == (deleted == NOT_FOUND)


@pytest.mark.parametrize("write", RENAMED_WRITES)
def test_write_to_a_model_that_is_deleted_meanwhile(store, write):
    """It is done before the model is deleted, or the model is not found."""
    create_version(store, tags=token_tags(old="old"))
    written, deleted = race(
        lambda: RENAMED_WRITES[write](store),
        lambda: store.delete_registered_model("model"),
    )
    assert written in (DONE, NOT_FOUND)
    assert deleted == DONE


def test_model_deleted_while_it_is_renamed(store):
    """A deletion that is acknowledged does not leave the model behind under its new name."""
    create_version(store)
    deleted, renamed = race(
        lambda: store.delete_registered_model("model"),
        lambda: store.rename_registered_model("model", "renamed"),
    )
    assert sorted((deleted, renamed)) == [DONE, NOT_FOUND]
    assert len(store.search_registered_models()) == (renamed == DONE)


def test_model_renamed_twice(store):
    """The model goes to one of two new names, and the other writer hears that the old is gone."""
    create_version(store)
    outcomes = race(
        lambda: store.rename_registered_model("model", "one"),
        lambda: store.rename_registered_model("model", "two"),
    )
    assert sorted(outcomes) == [DONE, NOT_FOUND]


def test_two_models_renamed_to_one_name(store):
    """One of them gets it, and no version of the other is taken along."""
    create_version(store, "first")
    create_version(store, "second")
    outcomes = race(
        lambda: store.rename_registered_model("first", "model"),
        lambda: store.rename_registered_model("second", "model"),
    )
    assert sorted(outcomes) == [DONE, "RESOURCE_ALREADY_EXISTS"]
    assert len(indexed_versions(store)) == 2


def test_model_renamed_to_a_taken_name(store):
    """Without any race a taken name is a wrong request, never one to be sent again (R6)."""
    create_version(store, "first")
    create_version(store, "second")
    with pytest.raises(MlflowException, match="already exists"):
        store.rename_registered_model("first", "second")


def test_model_created_twice(store):
    """One of two writers hears that the model exists."""
    outcomes = race(*[lambda: store.create_registered_model("model")] * 2)
    assert sorted(outcomes) == [DONE, "RESOURCE_ALREADY_EXISTS"]


def test_versions_of_two_models_in_one_series(store):
    """Two models that carry one token do not deadlock over its series, and both are decided on."""
    create_model(store, "first")
    create_model(store, "second")
    outcomes = race(
        lambda: create_version(store, "first", token_tags(benchmark_value="0.85")),
        lambda: create_version(store, "second", token_tags(benchmark_value="0.90")),
    )
    assert outcomes == [DONE, DONE]
    assert len(indexed_versions(store)) == 2


@pytest.mark.parametrize("deleted", ["version", "model"])
def test_copy_of_what_is_gone(store, deleted):
    """A copy that comes too late for its source is a wrong request, never one to be sent again."""
    create_version(store)
    create_model(store, "copy")
    if deleted == "version":
        store.delete_model_version("model", "1")
    else:
        store.delete_registered_model("model")
    with pytest.raises(MlflowException, match="not found") as caught:
        store.create_model_version("copy", "models:/model/1")
    assert caught.value.error_code == NOT_FOUND
    with pytest.raises(MlflowException, match="Unable to fetch") as caught:
        store.create_model_version("copy", "models:/model@champion")
    assert caught.value.error_code == REFUSED
