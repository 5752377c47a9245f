"""R4 and R7 with workspaces: what one workspace does, another neither sees nor feels."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from support.index import assert_index_is_truth, indexed_rows
from support.refusals import refused
from support.registry import TOKEN, VALUE, create_model, create_version, set_tag, token_tags

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token

IN_A, IN_B = WorkspaceContext("team-a"), WorkspaceContext("team-b")
OF_B = "SENT-001"


@pytest.fixture
def shared_store(store_factory, monkeypatch):
    """A store with workspaces, in each of which the same model has one version, of its token."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = store_factory()
    assert store.supports_workspaces
    for value, workspace, token in (("0.5", IN_A, "IMG-001"), ("0.6", IN_B, OF_B)):
        with workspace:
            create_version(store, tags=token_tags(**{VALUE: value, TOKEN: token}))
    return store


def values(store):
    """Workspace, name, version and value of each index row."""
    with store.engine.connect() as connection:
        return [(row[0], row[1], row[2], row[5]) for row in indexed_rows(connection)]


def test_writes_stay_inside(shared_store):
    """Amending, renaming and deleting in one workspace leaves the other's versions as they are."""
    b = ("team-b", "model", 1, "0.6")
    with IN_A:
        set_tag(shared_store, "model", 1, VALUE, "0.7")
        assert values(shared_store) == [("team-a", "model", 1, "0.7"), b]
        shared_store.rename_registered_model("model", "renamed")
        assert values(shared_store) == [("team-a", "renamed", 1, "0.7"), b]
        assert_index_is_truth(shared_store)
        shared_store.delete_model_version("renamed", "1")
        assert values(shared_store) == [b]
        create_version(shared_store, "renamed")
        shared_store.delete_registered_model("renamed")
    assert values(shared_store) == [b]
    assert_index_is_truth(shared_store)


def test_single_tags(shared_store):
    """A version is completed by single tags inside its workspace."""
    with IN_B:
        create_version(shared_store, tags={})
        for key, value in token_tags(**{TOKEN: OF_B}).items():
            set_tag(shared_store, "model", 2, key, value)
    assert ("team-b", "model", 2, "0.85") in values(shared_store)
    assert_index_is_truth(shared_store)


def test_refusals(shared_store):
    """The rules hold in each workspace, and a model's token only in its own."""
    with IN_A:
        with refused(shared_store, "must be numeric"):
            set_tag(shared_store, "model", 1, VALUE, "nan")
        create_model(shared_store, "owned", tags={TOKEN: "SENT-002"})
        with refused(shared_store, "carries token"):
            create_version(shared_store, "owned")
    with IN_B:
        create_version(shared_store, "owned", tags=token_tags(**{TOKEN: OF_B}))
    assert_index_is_truth(shared_store)


def test_queries_stay_inside(shared_store):
    """Each query is answered from the asker's workspace alone."""
    with IN_B:
        create_version(shared_store, tags=token_tags(**{TOKEN: "SENT-002"}))
        create_version(shared_store, "only in b", tags=token_tags(**{TOKEN: OF_B}))
    with IN_A:
        listed = shared_store.ask(list_by_token, "IMG-001")["model_versions"]
        assert [tag["value"] for tag in listed[0]["tags"] if tag["key"] == VALUE] == ["0.5"]
        assert len(listed) == 1
        assert len(shared_store.ask(get_lineage, "model")["lineage"]) == 1
        tokens = shared_store.ask(list_tokens)["tokens"]
        assert [(each["token_id"], each["version_count"]) for each in tokens] == [("IMG-001", 1)]
        for query, argument in (
            (get_token, "SENT-002"),
            (get_lineage, "only in b"),
        ):
            with pytest.raises(MlflowException) as caught:
                shared_store.ask(query, argument)
            assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_switching_workspaces_on(store, store_factory, monkeypatch):
    """What was registered before belongs to the default workspace afterwards."""
    create_version(store)
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    later = store_factory()
    with WorkspaceContext("default"):
        assert len(later.ask(list_by_token, "IMG-001")["model_versions"]) == 1
        set_tag(later, "model", 1, VALUE, "0.9")
    with IN_A:
        assert later.ask(list_by_token, "IMG-001")["model_versions"] == []
    assert_index_is_truth(later)
