"""R5: a registered model that carries a token itself."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused, unchanged
from support.registry import (
    PROMPT,
    TOKEN,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)

OTHER = {TOKEN: "SENT-002"}


def test_malformed_token(store):
    """A model's own token is checked like a version's, at creation and later."""
    with refused(store, "Token ID format invalid", "Registered model 'model'"):
        create_model(store, tags={TOKEN: "img_001"})
    create_model(store)
    with refused(store, "Token ID format invalid"):
        set_model_tag(store, "model", TOKEN, "IMG")
    set_model_tag(store, "model", TOKEN, "IMG-001")
    with refused(store, "Token ID format invalid"):
        set_model_tag(store, "model", TOKEN, "")


def test_versions_follow_their_model(store):
    """Versions of a model with a token carry only that one, on every path."""
    create_model(store, tags={TOKEN: "IMG-001"})
    create_version(store)
    with refused(store, "'SENT-002'", "the registered model carries token 'IMG-001'"):
        create_version(store, tags=token_tags(**OTHER))
    with refused(store, "carries token"):
        set_tag(store, "model", 1, TOKEN, "SENT-002")
    create_version(store, tags={})
    with refused(store, "carries token"):
        set_tag(store, "model", 2, TOKEN, "SENT-002")
    set_tag(store, "model", 2, TOKEN, "IMG-001")
    assert_index_is_truth(store)
    assert indexed_versions(store) == [("model", 1, "IMG-001")]


def test_model_follows_its_versions(store):
    """A token is not given to a model while a version of it carries another."""
    create_version(store, tags=token_tags(**OTHER))
    with refused(store, "versions of it carry another token", "1 ('SENT-002')"):
        set_model_tag(store, "model", TOKEN, "IMG-001")
    set_model_tag(store, "model", TOKEN, "SENT-002")
    with refused(store, "versions of it carry another token"):
        set_model_tag(store, "model", TOKEN, "IMG-001")
    assert_index_is_truth(store)


def test_pending_and_malformed_versions_count(store):
    """A version that is not tokenised yet still says which token it belongs to."""
    create_version(store, tags={})
    set_tag(store, "model", 1, TOKEN, "SENT-002")
    with refused(store, "1 ('SENT-002')"):
        set_model_tag(store, "model", TOKEN, "IMG-001")


def test_deleted_versions_do_not_count(store):
    """A deleted version keeps its tags, but no model from its token."""
    create_version(store, tags=token_tags(**OTHER))
    store.delete_model_version("model", "1")
    set_model_tag(store, "model", TOKEN, "IMG-001")
    create_version(store)
    assert_index_is_truth(store)


def test_many_versions_are_not_all_listed(store):
    """The message lists the first versions only."""
    for _ in range(7):
        create_version(store, tags=token_tags(**OTHER))
    with refused(store, "1 ('SENT-002')", "5 ('SENT-002'), …"):
        set_model_tag(store, "model", TOKEN, "IMG-001")


def test_token_taken_from_the_model(store):
    """Without its own token a model takes versions of any again."""
    create_model(store, tags={TOKEN: "IMG-001"})
    create_version(store)
    store.delete_registered_model_tag("model", TOKEN)
    create_version(store, tags=token_tags(**OTHER))
    assert len(indexed_versions(store)) == 2
    assert_index_is_truth(store)


def test_token_follows_a_rename(store):
    """The rule stays with the model under its new name."""
    create_model(store, tags={TOKEN: "IMG-001"})
    create_version(store)
    store.rename_registered_model("model", "renamed")
    with refused(store, "carries token"):
        create_version(store, "renamed", tags=token_tags(**OTHER))
    assert_index_is_truth(store)


def test_copy_into_a_model_with_another_token(client, store):
    """A copy brings its token along, so such a model refuses it."""
    create_version(store)
    create_model(store, "production", tags=OTHER)
    with unchanged(store), pytest.raises(MlflowException, match="carries token 'SENT-002'"):
        client.copy_model_version("models:/model/1", "production")


@pytest.mark.parametrize("value", ["true", "True"])
def test_prompt_may_carry_any_token(store, value):
    """The model of a prompt is not looked at."""
    create_model(store, tags={PROMPT: value, TOKEN: "img_001"})
    set_model_tag(store, "model", TOKEN, "anything")


def test_prompt_that_becomes_a_model(store):
    """A model that stops being a prompt answers for its token."""
    create_model(store, tags={PROMPT: "true", TOKEN: "img_001"})
    with refused(store, "Token ID format invalid"):
        store.delete_registered_model_tag("model", PROMPT)


def test_other_model_tags_are_free(store):
    """Nothing but the token of a model is looked at."""
    create_model(store, tags={"benchmark_value": "nan", "a": "b"})
    set_model_tag(store, "model", "benchmark_metric", "%")
