"""What a database holds to be the same string is not therefore the same tag, token or metric.

MySQL compares strings without case, accents and trailing blanks by default.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
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

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token

VARIANTS = ["Benchmark_Value", "BENCHMARK_VALUE", "benchmark_valué", "benchmark_value "]


def tags_of(store, version=1):
    return dict(store.get_model_version("model", str(version)).tags)


def attempt(write):
    """Do a write that only some databases take."""
    with suppress(MlflowException):
        write()


def test_metrics_that_differ_by_case(store):
    """'Accuracy' and 'accuracy' are two metrics, and a tag can change from one to the other."""
    create_version(store, tags=token_tags(**{METRIC: "my metric"}))
    create_version(store, tags=token_tags(**{METRIC: "My Metric"}))
    set_tag(store, "model", 1, METRIC, "MY METRIC")
    items = store.ask(get_lineage, "model")["lineage"]
    assert [item["benchmark_metric"] for item in items] == ["MY METRIC", "My Metric"]
    assert_index_is_truth(store)


def test_series_that_differ_by_case(store):
    """Values of two such metrics are never compared with each other."""
    for metric, value in (("uplift", "0.5"), ("Uplift", "0.9"), ("uplift", "0.6")):
        tags = token_tags(**{METRIC: metric, VALUE: value}, benchmark_direction="maximize")
        create_version(store, tags=tags)
    items = store.ask(get_lineage, "model")["lineage"]
    outcomes = [item["decision"]["outcome"] for item in items]
    assert outcomes == ["baseline", "baseline", "achieved"]


@pytest.mark.parametrize("key", VARIANTS)
def test_similar_key_on_a_tokenised_version(store, key):
    """A key that merely resembles a required one neither amends nor removes the required tag."""
    create_version(store)
    attempt(lambda: set_tag(store, "model", 1, key, "nan"))
    assert_index_is_truth(store)
    assert tags_of(store)[VALUE] == "0.85"
    assert indexed_versions(store) == [("model", 1, "IMG-001")]


@pytest.mark.parametrize("key", VARIANTS)
def test_deleting_a_similar_key(store, key):
    """Deleting a key that resembles a required one leaves the required tag where it is."""
    create_version(store)
    attempt(lambda: store.delete_model_version_tag("model", "1", key))
    assert_index_is_truth(store)
    assert tags_of(store)[VALUE] == "0.85"


@pytest.mark.parametrize("key", VARIANTS)
def test_similar_key_on_a_pending_version(store, key):
    """Such a tag completes nothing, and the required one can still be set."""
    create_version(store, tags={})
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    set_tag(store, "model", 1, METRIC, "accuracy")
    attempt(lambda: set_tag(store, "model", 1, key, "0.5"))
    assert indexed_versions(store) == []
    attempt(lambda: set_tag(store, "model", 1, VALUE, "0.9"))
    assert_index_is_truth(store)
    assert (VALUE in tags_of(store)) == bool(indexed_versions(store))


def test_similar_key_on_a_model(store):
    """A key that merely resembles the token's does not take a model's token away."""
    create_model(store, tags={TOKEN: "IMG-001"})
    create_version(store)
    attempt(lambda: set_model_tag(store, "model", TOKEN.upper(), "SENT-002"))
    attempt(lambda: create_version(store, tags=token_tags(**{TOKEN: "SENT-002"})))
    assert_index_is_truth(store)
    assert indexed_versions(store) == [("model", 1, "IMG-001")]


@pytest.mark.parametrize("key", ["HOKUSAI_TOKEN_ID", "Hokusai_Token_Id "])
def test_similar_key_at_creation(store, key):
    """A version with a key like the token's is an ordinary one, or refused."""
    attempt(lambda: create_version(store, tags={key: "not a token"}))
    attempt(lambda: create_model(store, "other", tags={key: "not a token"}))
    create_version(store, "other")
    assert indexed_versions(store) == [("other", 1, "IMG-001")]
    assert_index_is_truth(store)


def test_model_name_in_another_case(store):
    """A name in another case finds the model on MySQL; the index keeps the name it has."""
    create_version(store)
    create_version(store, tags={})
    for write in (
        lambda: set_tag(store, "MODEL", 1, VALUE, "0.9"),
        lambda: set_tag(store, "MODEL", 2, TOKEN, "IMG-001"),
        lambda: set_tag(store, "Model", 2, METRIC, "accuracy"),
        lambda: set_tag(store, "MODEL", 2, VALUE, "0.5"),
        lambda: store.delete_model_version("MODEL", "1"),
    ):
        attempt(write)
        assert_index_is_truth(store)


def test_version_created_under_another_case(store):
    """Where the database takes both names for one model, so does the index."""
    create_version(store)
    attempt(lambda: create_version(store, "MODEL"))
    assert_index_is_truth(store)
    listed = store.ask(list_by_token, "IMG-001")["model_versions"]
    assert len(listed) == len(indexed_versions(store)) == 2


@pytest.mark.parametrize("name", ["MODEL", "Model", "modél"])
def test_rename_that_changes_only_case(store, name):
    """A rename to a name that the database takes for the same keeps the index rows."""
    create_version(store)
    attempt(lambda: store.rename_registered_model("model", name))
    assert len(indexed_versions(store)) == 1
    assert_index_is_truth(store)


def test_lineage_in_another_case(store):
    """A name in another case is answered like the name itself, or not found."""
    create_version(store)
    create_version(store)
    expected = store.ask(get_lineage, "model", include_ancestors=True)
    with suppress(MlflowException):  # as on the databases that tell cases apart
        assert store.ask(get_lineage, "MODEL", include_ancestors=True) == expected


def test_blanks_at_the_end_of_a_token(store):
    """A token with a trailing blank is malformed, not the token without it."""
    create_version(store)
    with pytest.raises(MlflowException, match="Token ID format invalid"):
        set_tag(store, "model", 1, TOKEN, "IMG-001 ")


def test_same_values_in_another_case(store):
    """A tag amended to the same letters in another case is amended."""
    create_version(store, tags=token_tags(contributor="alice", **{VALUE: "5e-1"}))
    set_tag(store, "model", 1, VALUE, "5E-1")
    set_tag(store, "model", 1, "contributor", "ALICE")
    assert tags_of(store)[VALUE] == "5E-1"
    assert_index_is_truth(store)


def test_model_token_in_another_case(store):
    """The token of a model and of its versions are compared letter by letter."""
    create_version(store, tags={})
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    with pytest.raises(MlflowException, match="Token ID format invalid"):
        set_model_tag(store, "model", TOKEN, "img-001")
