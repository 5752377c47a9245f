"""``registered-models/lineage``: R12 on real registries."""

from __future__ import annotations

from collections import Counter

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from sqlalchemy import String, cast, literal, text, update
from support.bulk import seed_versions
from support.registry import TOKEN, create_model, create_version, set_tag, token_tags
from support.statements import statements

from hokusai_mlflow_plugin.services.queries.lineage import get_lineage

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"


def lineage(store, name="model", **parameters):
    return store.ask(get_lineage, name, **parameters)


def parents(store, name="model", **parameters):
    """Version, then the parent's name, version and relation, of each item."""
    return [parent(item) for item in lineage(store, name, **parameters)["lineage"]]


def parent(item):
    version = int(item["model_version"]["version"])
    if item["parent"] is None:
        return (version, None)
    return (
        version,
        item["parent"]["name"],
        int(item["parent"]["version"]),
        item["parent"]["relation"],
    )


def test_history_of_a_model(store):
    """Tokenised versions come oldest first, each improving on the one before it."""
    create_version(store)
    create_version(store, tags={})
    create_version(store, tags=token_tags(contributor=ADDRESS, benchmark_metric="f1_score"))
    create_version(store, "other")
    assert parents(store) == [(1, None), (3, "model", 1, "preceding")]
    item = lineage(store)["lineage"][1]
    assert item["token_id"] == "IMG-001"
    assert item["benchmark_metric"] == "f1_score"
    assert item["benchmark_value"] == "0.85"
    assert item["contributor_address"] == ADDRESS.lower()
    assert item["model_version"]["name"] == "model"
    assert item["model_version"]["tags"]


def test_previous_version(store):
    """Tag ``previous_version`` names the parent where it is a live older version of the model."""
    for previous in ("1", "1", "3", "9", "0", "-1", "two", "", " 1", "1\n"):
        create_version(store, tags=token_tags(previous_version=previous))
    assert parents(store) == [
        (1, None),  # names itself
        (2, "model", 1, "previous_version"),
        (3, "model", 2, "preceding"),  # names itself
        (4, "model", 3, "preceding"),  # names a newer one
        *((n, "model", n - 1, "preceding") for n in range(5, 11)),
    ]


def test_previous_version_that_is_untokenised_or_deleted(store):
    """It need not be tokenised, but it must be there."""
    create_version(store)
    create_version(store, tags={})
    create_version(store)
    create_version(store, tags=token_tags(previous_version="2"))
    create_version(store, tags=token_tags(previous_version="3"))
    store.delete_model_version("model", "3")
    assert parents(store) == [
        (1, None),
        (4, "model", 2, "previous_version"),
        (5, "model", 4, "preceding"),
    ]


def test_deleted_versions_are_passed_over(store):
    """The preceding version is the preceding live one."""
    for _ in range(4):
        create_version(store)
    store.delete_model_version("model", "2")
    store.delete_model_version("model", "3")
    assert parents(store) == [(1, None), (4, "model", 1, "preceding")]


@pytest.mark.parametrize("name", ["origin", "a b", "100%", "ünïcödé 模型", "it's"])
def test_copy(client, store, name):
    """A copy descends from its origin, whatever that is called."""
    create_version(store, name)
    create_version(store)
    client.copy_model_version(f"models:/{name}/1", "model")
    assert parents(store)[1] == (2, name, 1, "copy")


def test_copy_of_an_untokenised_or_deleted_version(client, store):
    """The origin need not be tokenised, but it must be there."""
    create_version(store, "origin", tags={})
    create_version(store, "origin")
    client.copy_model_version("models:/origin/1", "model")
    for key, value in token_tags().items():
        set_tag(store, "model", 1, key, value)
    client.copy_model_version("models:/origin/2", "model")
    assert parents(store) == [(1, "origin", 1, "copy"), (2, "origin", 2, "copy")]
    store.delete_model_version("origin", "2")
    store.delete_model_version("origin", "1")
    assert parents(store) == [(1, None), (2, "model", 1, "preceding")]


def test_previous_version_wins_over_the_origin_of_a_copy(client, store):
    """What the registrant says comes before where the files came from."""
    create_version(store, "origin", tags=token_tags(previous_version="1"))
    create_version(store)
    client.copy_model_version("models:/origin/1", "model")
    assert parents(store)[1] == (2, "model", 1, "previous_version")


@pytest.mark.parametrize("max_results", [1, 2, 3, 5, 100])
def test_parents_do_not_depend_on_pages(store, max_results):
    """The first item of a page finds its parent on the page before."""
    for number in range(1, 11):
        if number in (4, 7):
            create_version(store, tags={})
        elif number in (5, 8):
            create_version(store, tags=token_tags(previous_version="2"))
        else:
            create_version(store)
    store.delete_model_version("model", "6")
    whole = parents(store)
    assert [item[0] for item in whole] == [1, 2, 3, 5, 8, 9, 10]
    found, token = [], None
    while True:
        answer = lineage(store, max_results=max_results, page_token=token)
        assert 1 <= len(answer["lineage"]) <= max_results
        found += map(parent, answer["lineage"])
        token = answer.get("next_page_token")
        if token is None:
            break
    assert found == whole


def test_long_history(store):
    """A long history pages without gaps or repeats."""
    seed_versions(store, 1234)
    found, token = [], None
    while True:
        answer = lineage(store, max_results=1000, page_token=token)
        found += map(parent, answer["lineage"])
        token = answer.get("next_page_token")
        if token is None:
            break
    assert found == [(1, None), *((n, "model", n - 1, "preceding") for n in range(2, 1235))]


def test_orphaned_rows_are_not_shown(store):
    """A version that another program removed is neither shown nor anyone's parent."""
    for _ in range(3):
        create_version(store)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM model_version_tags WHERE version = 2"))
        connection.execute(text("DELETE FROM model_versions WHERE version = 2"))
    assert parents(store) == [(1, None), (3, "model", 1, "preceding")]


def ancestors(store, name="model"):
    answer = lineage(store, name, include_ancestors=True)
    return [
        (item["model_version"]["name"], int(item["model_version"]["version"]))
        for item in answer["ancestors"]
    ]


def test_ancestors(client, store):
    """Ancestors are followed over model names, nearest first."""
    create_version(store, "research")
    create_version(store, "research", tags=token_tags(previous_version="1"))
    client.copy_model_version("models:/research/2", "staging")
    client.copy_model_version("models:/staging/1", "model")
    assert ancestors(store) == [("staging", 1), ("research", 2), ("research", 1)]
    assert ancestors(store, "research") == []
    assert "ancestors" not in lineage(store)


def test_untokenised_ancestor(client, store):
    """An ancestor that carries no token is named as a parent, and shown no further."""
    create_version(store, "research", tags={})
    client.copy_model_version("models:/research/1", "model")
    for key, value in token_tags().items():
        set_tag(store, "model", 1, key, value)
    assert parents(store) == [(1, "research", 1, "copy")]
    assert ancestors(store) == []


def test_ancestors_in_a_cycle(client, store):
    """Copies to and fro end where they began."""
    create_version(store, "a")
    client.copy_model_version("models:/a/1", "b")
    client.copy_model_version("models:/b/1", "a")
    with store.engine.begin() as connection:
        connection.execute(
            text("UPDATE model_versions SET source = 'models:/a/2' WHERE name = 'b'")
        )
        # Only what was made at one moment can be copied from each other.
        for table in ("model_versions", "hokusai_token_index"):
            connection.execute(text(f"UPDATE {table} SET creation_time = 1"))
    assert ancestors(store, "a") == [("b", 1)]
    assert ancestors(store, "b") == [("a", 2)]


def test_many_ancestors_cost_few_statements(store):
    """A generation is read at once, and at most 1,000 ancestors are shown, the nearest ones."""
    seed_versions(store, 1800, names=("research", "staging", "model"))
    with store.engine.begin() as connection:
        for name, origin in (("staging", "research"), ("model", "staging")):
            connection.execute(
                update(SqlModelVersion)
                .where(SqlModelVersion.name == name)
                .values(
                    source=literal(f"models:/{origin}/") + cast(SqlModelVersion.version, String(9))
                )
            )
    with statements(store.engine) as sent:
        answer = lineage(store, max_results=1000, include_ancestors=True)
    names = Counter(item["model_version"]["name"] for item in answer["ancestors"])
    assert names == {"staging": 600, "research": 400}
    assert len(sent) < 20


def test_depth_is_bounded(client, store):
    """Ancestors are followed over at most 32 generations."""
    create_version(store, "m0")
    for number in range(1, 40):
        client.copy_model_version(f"models:/m{number - 1}/1", f"m{number}")
    assert ancestors(store, "m39") == [(f"m{number}", 1) for number in range(38, 6, -1)]


def test_model_without_tokenised_versions(store):
    """A model that has none has an empty lineage."""
    create_model(store)
    assert lineage(store) == {"lineage": []}
    create_version(store, tags={})
    assert lineage(store) == {"lineage": []}


@pytest.mark.parametrize("name", ["nobody", "", " model", "mo%", "model/1"])
def test_unknown_model(store, name):
    """A model that is not there is not found."""
    create_version(store)
    with pytest.raises(MlflowException) as caught:
        lineage(store, name)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert caught.value.get_http_status_code() == 404


@pytest.mark.parametrize(
    "parameters", [{"max_results": 0}, {"max_results": 1001}, {"page_token": "x"}], ids=str
)
def test_wrong_parameters(store, parameters):
    """A parameter that cannot be used is a wrong request, and the message names it."""
    create_version(store)
    with pytest.raises(MlflowException, match=next(iter(parameters))) as caught:
        lineage(store, **parameters)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_token_of_a_version_that_moved(store):
    """The lineage of a model shows each version with the token that it carries now."""
    create_version(store)
    create_version(store)
    set_tag(store, "model", 1, TOKEN, "SENT-001")
    assert [item["token_id"] for item in lineage(store)["lineage"]] == ["SENT-001", "IMG-001"]
