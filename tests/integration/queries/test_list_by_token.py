"""``model-versions/list-by-token``: every version of a token once, newest first."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import message_to_json
from sqlalchemy import text
from support.bulk import seed_versions
from support.index import assert_index_is_truth
from support.registry import TOKEN, create_version, set_tag, token_tags

from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token

NAMES = ["a b", 'it\'s "so"', "100%", "%41", "ünïcödé 模型", "a_b", "A-B", "😀", "zz"]


def page(store, token_id="IMG-001", **parameters):
    """Name and version of each item of one page, and the token of the next."""
    answer = store.ask(list_by_token, token_id, **parameters)
    keys = [(item["name"], int(item["version"])) for item in answer["model_versions"]]
    return keys, answer.get("next_page_token")


def walk(store, max_results, token_id="IMG-001", between=lambda: None):
    """Every item of all pages, with something done between each two."""
    found, token = page(store, token_id, max_results=max_results)
    while token:
        between()
        keys, token = page(store, token_id, max_results=max_results, page_token=token)
        found += keys
    return found


def test_newest_first_over_models(store):
    """Versions of several models come in the order of their registration, newest first."""
    keys = seed_versions(store, 30, names=["b", "a", "c"])
    seed_versions(store, 5, token_id="SENT-001", names=["other"])
    found, token = page(store)
    assert found == keys[::-1]
    assert token is None


@pytest.mark.parametrize("max_results", [1, 2, 7, 20, 100])
def test_pages_of_any_size(store, max_results):
    """Pages put together are the whole, whatever the names and however many share a moment."""
    keys = seed_versions(store, 20, names=NAMES, per_millisecond=20)
    found = walk(store, max_results)
    assert len(found) == 20
    assert set(found) == set(keys)
    assert found == walk(store, 1000)


def test_last_page_is_exactly_full(store):
    """A full last page names no further one."""
    seed_versions(store, 6)
    _, token = page(store, max_results=3)
    found, token = page(store, max_results=3, page_token=token)
    assert (len(found), token) == (3, None)


def test_ten_thousand_versions_while_some_come_and_go(store):
    """Paging neither skips nor repeats a version while others are added and deleted."""
    keys = seed_versions(store, 10_000, names=NAMES, per_millisecond=3)
    assert_index_is_truth(store)
    unseen, seen = iter(keys), iter(keys[::-1])
    gone, deleted_later = set(), set()

    def come_and_go():
        create_version(store, "new", token_tags())
        for keys_of, removed in ((unseen, gone), (seen, deleted_later)):
            name, version = next(keys_of)
            store.delete_model_version(name, str(version))
            removed.add((name, version))

    found = walk(store, 497, between=come_and_go)
    assert len(gone) == 20
    assert len(found) == len(set(found))
    assert set(found) == set(keys) - gone
    assert set(walk(store, 1000)) - {("new", n) for n in range(1, 21)} == (
        set(keys) - gone - deleted_later
    )
    assert_index_is_truth(store)


def test_only_this_token(store):
    """A token whose id begins like another is another."""
    for token_id in ("IMG-001", "IMG-0010", "IMG-00", "IMG-001-A"):
        create_version(store, f"model {token_id}", token_tags(**{TOKEN: token_id}))
    assert page(store)[0] == [("model IMG-001", 1)]


def test_unknown_token(store):
    """A token without versions has an empty list."""
    create_version(store)
    assert page(store, "NOBODY-1") == ([], None)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"token_id": "img_001"}, "Token ID format invalid"),
        ({"token_id": ""}, "Token ID format invalid"),
        ({"token_id": "IMG-001\n"}, "Token ID format invalid"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": -1}, "max_results"),
        ({"max_results": 1001}, "max_results"),
        ({"page_token": "x"}, "page_token"),
        ({"page_token": "😀"}, "page_token"),
    ],
    ids=str,
)
def test_wrong_parameters(store, parameters, words):
    """A parameter that cannot be used is a wrong request, and the message names it."""
    with pytest.raises(MlflowException, match=words) as caught:
        store.ask(list_by_token, **{"token_id": "IMG-001", **parameters})
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_page_token_of_another_token(store):
    """A page token continues only the list that it came from."""
    seed_versions(store, 3)
    _, token = page(store, max_results=1)
    with pytest.raises(MlflowException, match="page_token"):
        page(store, "SENT-001", page_token=token)


def test_the_largest_page_of_long_names(store):
    """A page can end at any name that MLflow takes."""
    names = [f"{n}{255 * '😀'}" for n in range(3)]
    seed_versions(store, 3, names=names)
    assert len(walk(store, 1)) == 3


def test_deleted_versions_are_not_shown(store):
    """A deleted version, and one of a deleted model, is gone."""
    create_version(store)
    create_version(store)
    create_version(store, "other")
    store.delete_model_version("model", "1")
    store.delete_registered_model("other")
    assert page(store)[0] == [("model", 2)]


def test_orphaned_rows_are_not_shown(store):
    """An index row whose version another program removed is never shown."""
    create_version(store)
    create_version(store)
    create_version(store)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM model_version_tags WHERE version = 1"))
        connection.execute(text("DELETE FROM model_versions WHERE version = 1"))
        connection.execute(
            text("UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE version = 2")
        )
    assert page(store)[0] == [("model", 3)]
    assert walk(store, 1) == [("model", 3)]


def test_json_is_that_of_mlflows_own_search(client, store):
    """Items are what MLflow's ``model-versions/search`` answers for the same versions."""
    create_version(
        store,
        "a b",
        token_tags(note='ü "quoted"\n', empty=""),
        run_id=32 * "a",
        run_link="http://localhost/run",
        description="better",
    )
    create_version(store, "a b")
    set_tag(store, "a b", 2, "contributor", "alice")
    store.transition_model_version_stage("a b", "1", "Production", False)
    client.copy_model_version("models:/a b/1", "copy")
    found = store.ask(list_by_token, "IMG-001")["model_versions"]
    assert [as_set(item) for item in found] == [as_set(item) for item in searched(store)]


def searched(store):
    """MLflow's own answer for every version, newest first."""
    versions = store.search_model_versions(order_by=["creation_timestamp DESC", "name DESC"])
    by_time = sorted(versions, key=lambda v: (v.creation_timestamp, v.name, int(v.version)))
    import json

    return [json.loads(message_to_json(version.to_proto())) for version in by_time[::-1]]


def as_set(item):
    """An item without the order of its tags, which says nothing."""
    return {**item, "tags": sorted((tag["key"], tag["value"]) for tag in item["tags"])}
