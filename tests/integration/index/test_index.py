"""R7: the index is the truth after every write that MLflow's registry knows."""

from __future__ import annotations

import itertools

import pytest
from mlflow.exceptions import MlflowException
from support.index import assert_index_is_truth, indexed_versions
from support.registry import METRIC, TOKEN, VALUE, create_model, create_version, set_tag, token_tags

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
NAMES = ["a b", 'it\'s "so"', "100%", "%41", "ünïcödé 模型", "a_b", "a\\b", "-- ;"]


def test_create(store):
    """A version with valid token tags is indexed, any other is not."""
    create_version(store, tags=token_tags(contributor=ADDRESS))
    create_version(store, tags={})
    create_version(store, "other", tags=token_tags(**{TOKEN: "SENT-001", METRIC: "loss"}))
    assert indexed_versions(store) == [("model", 1, "IMG-001"), ("other", 1, "SENT-001")]
    assert_index_is_truth(store)


@pytest.mark.parametrize("order", list(itertools.permutations(token_tags())), ids=str)
def test_single_tags_in_each_order(store, order):
    """Completed by single tags, a version is indexed with the last one and not before."""
    create_version(store, tags={})
    for key in order:
        assert indexed_versions(store) == []
        set_tag(store, "model", 1, key, token_tags()[key])
        assert_index_is_truth(store)
    assert indexed_versions(store) == [("model", 1, "IMG-001")]


def test_pending_version_taken_back(store):
    """Deleting tags of a pending version leaves an ordinary one."""
    create_version(store, tags={})
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    set_tag(store, "model", 1, VALUE, "0.9")
    store.delete_model_version_tag("model", "1", VALUE)
    store.delete_model_version_tag("model", "1", TOKEN)
    set_tag(store, "model", 1, METRIC, "accuracy")
    set_tag(store, "model", 1, VALUE, "nan")
    assert indexed_versions(store) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (TOKEN, "SENT-002"),
        (METRIC, "loss"),
        (VALUE, "0.9"),
        ("contributor", ADDRESS),
        ("contributor_address", "alice"),
    ],
)
def test_amend(store, key, value):
    """The index follows a tag that is amended, or added."""
    create_version(store)
    create_version(store, "other", tags=token_tags(**{TOKEN: "OTHER-1"}))
    set_tag(store, "model", 1, key, value)
    assert_index_is_truth(store)
    set_tag(store, "model", 1, key, value)
    assert_index_is_truth(store)


def test_contributor_follows_its_tags(store):
    """The payable address is that of the tags that are there, in lower case, or none."""
    create_version(store, tags=token_tags(contributor=ADDRESS))
    set_tag(store, "model", 1, "contributor_address", ADDRESS.lower())
    assert_index_is_truth(store)
    store.delete_model_version_tag("model", "1", "contributor")
    assert_index_is_truth(store)
    set_tag(store, "model", 1, "contributor_address", "0x123...")
    assert_index_is_truth(store)
    store.delete_model_version_tag("model", "1", "contributor_address")
    assert_index_is_truth(store)


def test_copy(client, store):
    """A copy carries its origin's tags, and is a tokenised version of its own."""
    create_version(store, tags=token_tags(contributor=ADDRESS))
    copy = client.copy_model_version("models:/model/1", "production")
    assert copy.tags == token_tags(contributor=ADDRESS)
    assert copy.source == "models:/model/1"
    assert indexed_versions(store) == [("model", 1, "IMG-001"), ("production", 1, "IMG-001")]
    assert_index_is_truth(store)


def test_rename(store):
    """A rename moves the index rows, whatever the names are made of."""
    create_version(store)
    create_version(store, tags={VALUE: "0.5", METRIC: "loss"})
    create_version(store)
    create_version(store, "other")
    for old, new in itertools.pairwise(["model", *NAMES, "model"]):
        store.rename_registered_model(old, new)
        assert {row[:2] for row in indexed_versions(store)} == {(new, 1), (new, 3), ("other", 1)}
        assert_index_is_truth(store)
    set_tag(store, "model", 2, TOKEN, "IMG-001")
    assert_index_is_truth(store)


def test_rename_to_a_taken_name(store):
    """A rename that MLflow refuses moves nothing."""
    create_version(store)
    create_version(store, "other")
    with pytest.raises(MlflowException, match="already exists") as caught:
        store.rename_registered_model("model", "other")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    assert_index_is_truth(store)


def test_delete_version(store):
    """A deleted version leaves the index, though MLflow keeps its row and tags."""
    create_version(store)
    create_version(store)
    store.delete_model_version("model", "1")
    assert indexed_versions(store) == [("model", 2, "IMG-001")]
    assert_index_is_truth(store)


def test_delete_newest_version_and_create_again(store):
    """A new version after a deletion is indexed under its own number."""
    create_version(store)
    create_version(store)
    store.delete_model_version("model", "2")
    created = create_version(store, tags=token_tags(**{VALUE: "0.7"}))
    assert int(created.version) == 3
    assert_index_is_truth(store)


def test_delete_model_and_create_it_again(store):
    """A deleted model leaves the index; one of the same name starts afresh."""
    create_version(store)
    create_version(store)
    create_version(store, "other")
    store.delete_registered_model("model")
    assert indexed_versions(store) == [("other", 1, "IMG-001")]
    create_model(store)
    assert_index_is_truth(store)
    create_version(store, tags={})
    assert indexed_versions(store) == [("other", 1, "IMG-001")]
    create_version(store, tags=token_tags(**{TOKEN: "SENT-001"}))
    assert_index_is_truth(store)


def test_delete_model_with_deleted_and_pending_versions(store):
    """Whatever a model holds, nothing of it stays in the index."""
    create_version(store)
    create_version(store, tags={})
    set_tag(store, "model", 2, TOKEN, "IMG-001")
    create_version(store)
    store.delete_model_version("model", "3")
    store.delete_registered_model("model")
    assert indexed_versions(store) == []
    assert_index_is_truth(store)


@pytest.mark.parametrize("stage", ["Staging", "Production", "Archived", "None"])
def test_stage_transition(store, stage):
    """A stage says nothing about tokens."""
    create_version(store)
    create_version(store)
    store.transition_model_version_stage("model", "1", "Production", False)
    store.transition_model_version_stage("model", "2", stage, stage in ("Staging", "Production"))
    assert len(indexed_versions(store)) == 2
    assert_index_is_truth(store)


def test_aliases_and_descriptions(store):
    """Neither do aliases and descriptions."""
    create_version(store)
    store.set_registered_model_alias("model", "champion", "1")
    store.update_model_version("model", "1", "better")
    store.update_registered_model("model", "best")
    store.delete_registered_model_alias("model", "champion")
    assert len(indexed_versions(store)) == 1
    assert_index_is_truth(store)


def test_names(store):
    """Any name that MLflow takes works on every path."""
    for name in NAMES:
        create_version(store, name)
        create_version(store, name)
    for name in NAMES:
        set_tag(store, name, 1, VALUE, "0.9")
        store.delete_model_version(name, "2")
    assert_index_is_truth(store)
    assert {row[:2] for row in indexed_versions(store)} == {(name, 1) for name in NAMES}
    for name in NAMES:
        store.delete_registered_model(name)
    assert indexed_versions(store) == []


def test_null_tag_value(store):
    """A tag without a value counts as an empty one."""
    create_version(store, tags={"note": ""})
    set_tag(store, "model", 1, VALUE, "")
    set_tag(store, "model", 1, METRIC, "accuracy")
    assert indexed_versions(store) == []
    assert_index_is_truth(store)
