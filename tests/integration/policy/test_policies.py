"""R5: the strict policy, and prompts under any."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused, unchanged
from support.registry import METRIC, PROMPT, TOKEN, VALUE, create_version, set_tag, token_tags

from hokusai_mlflow_plugin.settings import Policy


@pytest.fixture
def strict_store(store_factory):
    return store_factory(HOKUSAI_POLICY="strict")


def test_strict_takes_only_tokenised_versions(strict_store):
    """Under the strict policy an untokenised version is refused, naming the policy."""
    create_version(strict_store)
    with refused(strict_store, "HOKUSAI_POLICY=strict"):
        create_version(strict_store, tags={})
    with refused(strict_store, "HOKUSAI_POLICY=strict"):
        create_version(strict_store, tags={METRIC: "accuracy", VALUE: "0.9"})
    with refused(strict_store, f"Required tag {VALUE} is missing"):
        create_version(strict_store, tags={TOKEN: "IMG-001", METRIC: "accuracy"})
    assert_index_is_truth(strict_store)


def test_strict_leaves_older_versions_alone(store, strict_store):
    """Versions from before the policy can be tagged, completed and deleted."""
    create_version(store, tags={})
    set_tag(strict_store, "model", 1, "note", "x")
    for key, value in token_tags().items():
        set_tag(strict_store, "model", 1, key, value)
    assert indexed_versions(store) == [("model", 1, "IMG-001")]
    strict_store.delete_model_version("model", "1")
    assert_index_is_truth(store)


def test_strict_copy(client, monkeypatch, store):
    """An untokenised version cannot be copied either."""
    create_version(store, tags={})
    create_version(store)
    monkeypatch.setenv("HOKUSAI_POLICY", "strict")
    client.copy_model_version("models:/model/2", "production")
    with unchanged(store), pytest.raises(MlflowException, match="HOKUSAI_POLICY=strict"):
        client.copy_model_version("models:/model/1", "production")
    assert_index_is_truth(store)


@pytest.mark.parametrize("policy", [policy.value for policy in Policy])
def test_prompts_are_never_looked_at(client, monkeypatch, store, policy):
    """Prompts are registered, tagged and deleted as on a stock server, whatever their tags."""
    monkeypatch.setenv("HOKUSAI_POLICY", policy)
    bad = {TOKEN: "img_001", VALUE: "nan", "contributor": "a", "contributor_address": "b"}
    client.register_prompt("greeting", "Hello {{name}}", tags=dict(bad))  # MLflow adds to it
    client.register_prompt("greeting", "Hi {{name}}", tags={TOKEN: "IMG-001"})
    client.register_prompt("greeting", "Dear {{name}}")
    for version in ("1", "2", "3"):
        for key, value in (*bad.items(), *token_tags().items()):
            client.set_prompt_version_tag("greeting", version, key, value)
        client.delete_prompt_version_tag("greeting", version, VALUE)
    client.set_prompt_tag("greeting", TOKEN, "img_001")
    client.set_prompt_tag("greeting", TOKEN, "SENT-002")
    client.set_prompt_alias("greeting", "latest-one", 3)
    assert client.load_prompt("prompts:/greeting@latest-one").template == "Dear {{name}}"
    assert indexed_versions(store) == []
    client.delete_prompt_version("greeting", "1")
    assert_index_is_truth(store)
    assert [prompt.name for prompt in client.search_prompts()] == ["greeting"]


def test_prompt_that_becomes_a_version(store):
    """A prompt that loses its mark answers for its tags like a version that is given a token."""
    create_version(store, tags=token_tags(**{PROMPT: "true", VALUE: "nan"}))
    with refused(store, "must be numeric"):
        store.delete_model_version_tag("model", "1", PROMPT)
    set_tag(store, "model", 1, VALUE, "0.9")
    assert indexed_versions(store) == []
    store.delete_model_version_tag("model", "1", PROMPT)
    assert indexed_versions(store) == [("model", 1, "IMG-001")]
    assert_index_is_truth(store)


@pytest.mark.parametrize("environ", [{"HOKUSAI_POLICY": "off"}, {"HOKUSAI_POLICI": "strict"}])
def test_bad_setting(store_factory, environ):
    """A setting that cannot be used stops the start with a sentence that names it."""
    with pytest.raises(MlflowException, match=next(iter(environ))):
        store_factory(**environ)
