"""R4: the database decides what is equal, of keys and of names.

MySQL compares without case, accents and trailing blanks by default. A key that it takes for a ruled
one is refused there; elsewhere it is an ordinary tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused, unchanged
from support.registry import (
    METRIC,
    PROMPT,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.statements import statements

from hokusai_mlflow_plugin.domain.tag_keys import resembled
from hokusai_mlflow_plugin.domain.tags import RULED_TAGS
from hokusai_mlflow_plugin.services.queries import deltaone
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.services.visibility import Visible

INVALID = "not a token!"
RESPELT = [
    "Hokusai_Token_Id",
    "HOKUSAI_TOKEN_ID",
    "hokusai_token_id ",
    "hokusaï_token_id",
    "hokusai_token_İd",
]
"""Other spellings of the token's key."""


def is_loose(store: Any) -> bool:
    """Whether the store's database finds a key in another case."""
    return bool(store.engine.dialect.name in ("mysql", "mariadb"))


@pytest.fixture
def stock_store(store, database_uri):
    """MLflow's own store on the same database, which writes past the plugin."""
    return SqlAlchemyStore(database_uri)


@contextmanager
def refused_where_equal(store: Any, key: str) -> Iterator[None]:
    """The block's write is refused where the database takes the key for a ruled one."""
    if not is_loose(store):
        yield
        return
    with refused(store, "takes tag key", "as it is spelt"):
        yield


@pytest.mark.parametrize("key", RESPELT)
@pytest.mark.parametrize("value", [INVALID, "IMG-001"])
def test_no_invalid_token_by_way_of_another_spelling(store, key, value):
    """Writing a respelt key and then the right one leaves no unchecked token behind."""
    create_version(store, tags={METRIC: "accuracy", VALUE: "0.5"})
    with refused_where_equal(store, key):
        set_tag(store, "model", 1, key, value)
    if value == INVALID:
        with refused(store, "Token ID format invalid"):
            set_tag(store, "model", 1, TOKEN, value)
    else:
        set_tag(store, "model", 1, TOKEN, value)
        assert store.ask(deltaone.detect, "model")["decision"]["outcome"] == "baseline"
    assert_index_is_truth(store)


@pytest.mark.parametrize("value", [INVALID, "IMG-001"])
def test_a_row_that_was_written_past_the_plugin(store, stock_store, value):
    """A respelt key from before the plugin, taken over by the right one, is checked and indexed."""
    create_version(store, tags={METRIC: "accuracy", VALUE: "0.5"})
    set_tag(stock_store, "model", 1, "Hokusai_Token_Id", value)
    if value == INVALID:
        with refused(store, "Token ID format invalid"):
            set_tag(store, "model", 1, TOKEN, value)
        assert indexed_versions(store) == []
    else:
        set_tag(store, "model", 1, TOKEN, value)
        assert indexed_versions(store) == [("model", 1, "IMG-001")]
    assert_index_is_truth(store)


def test_a_models_row_that_was_written_past_the_plugin(store, stock_store):
    """Likewise of a registered model's own token."""
    create_model(stock_store, tags={"Hokusai_Token_Id": INVALID})
    with refused(store, "Token ID format invalid"):
        set_model_tag(store, "model", TOKEN, INVALID)


@pytest.mark.parametrize("key", RESPELT)
def test_respelt_key_of_a_model(store, key):
    """Registered models' tags likewise, at creation and later."""
    with refused_where_equal(store, key):
        create_model(store, tags={key: INVALID})
    create_model(store, "other")
    with refused_where_equal(store, key):
        set_model_tag(store, "other", key, INVALID)
    with refused(store, "Token ID format invalid"):
        set_model_tag(store, "other", TOKEN, INVALID)


@pytest.mark.parametrize("key", sorted(RULED_TAGS))
def test_every_ruled_key(store, key):
    """It holds for every tag that the rules look at, on each way of writing one."""
    create_model(store)
    with refused_where_equal(store, key.upper()):
        create_version(store, tags={key.upper(): "x"})
    create_version(store, tags={})
    with refused_where_equal(store, key.title()):
        set_tag(store, "model", 1, key.title(), "x")


@pytest.mark.parametrize("key", RESPELT)
def test_a_similar_key_takes_no_ruled_tag_away(store, key):
    """Written over the right key, a respelt one is refused, and nothing has changed."""
    create_version(store)
    create_model(store, "other", tags={TOKEN: "IMG-001"})
    with refused_where_equal(store, key):
        set_tag(store, "model", 1, key, "IMG-001")
    with refused_where_equal(store, key):
        set_model_tag(store, "other", key, "IMG-001")
    assert store.get_model_version("model", "1").tags[TOKEN] == "IMG-001"
    assert_index_is_truth(store)


@pytest.mark.parametrize("tags", [{"Note": "a", "note": "b"}, token_tags(Benchmark_Value="x")])
def test_two_keys_that_are_one(store, tags):
    """Two keys of one request that the database takes for one are a wrong request, not a 5xx."""
    create_model(store)
    if not is_loose(store):
        create_version(store, tags=tags)
        create_model(store, "other", tags=tags)
        return
    with refused(store, "keys that this database takes for one", sorted(tags)[0]):
        create_version(store, tags=tags)
    with refused(store, "keys that this database takes for one"):
        create_model(store, "other", tags=tags)


COLLATIONS = ["general_ci", "unicode_ci", "unicode_520_ci", "uca1400_ai_ci", "0900_ai_ci"]
TAKEN = [chr(n) for n in range(1, 0x20000) if chr(n).isalnum()]
"""Characters that MLflow takes in the key of a tag, but for a few of ASCII."""


@pytest.mark.parametrize("collation", COLLATIONS)
def test_what_the_database_takes_for_a_letter_or_for_nothing(store, collation):
    """No character that MLflow takes in a key gets one past the rules that is equal to a ruled key,
    whichever collation the database came with.
    """
    if not is_loose(store):
        pytest.skip("every other key is an ordinary one here")
    letters = ["", *sorted(set("".join(RULED_TAGS)))]
    query = text(
        "SELECT j.c, l.c FROM JSON_TABLE(:taken, '$[*]' COLUMNS (c VARCHAR(1) PATH '$')) AS j "
        "JOIN JSON_TABLE(:letters, '$[*]' COLUMNS (c VARCHAR(1) PATH '$')) AS l "
        f"ON CONCAT('k', CONVERT(j.c USING utf8mb4), 'z') COLLATE utf8mb4_{collation} "
        f"= CONCAT('k', CONVERT(l.c USING utf8mb4), 'z') COLLATE utf8mb4_{collation}"
    )
    given = {"taken": json.dumps(TAKEN), "letters": json.dumps(letters)}
    with store.engine.connect() as connection:
        if not connection.execute(text(f"SHOW COLLATION LIKE '%{collation}'")).all():
            pytest.skip("this database does not have it")
        equal = connection.execute(query, given).all()
    assert ("İ", "i") in set(map(tuple, equal))
    for character, letter in equal:
        for ruled in RULED_TAGS:
            place = ruled.find(letter) if letter else 1
            respelt = ruled[:place] + character + ruled[place + len(letter) :]
            assert place < 0 or respelt == ruled or ruled in resembled(respelt, RULED_TAGS)
            # Blanks are trailing ones, too, where nothing is seen behind them.
            assert letter or ruled in resembled(f"{ruled}  {character} ", RULED_TAGS)


@pytest.mark.parametrize("key", ["Größe", "精度", "note", "Benchmark", "contributor_adress"])
def test_other_keys_cost_nothing(store, key):
    """Only a key that could be a ruled one is asked about."""
    create_version(store, tags={})
    with statements(store.engine) as sent:
        set_tag(store, "model", 1, key, "a")
    assert not [each for each in sent if " IN (" in each]


@pytest.fixture
def audited(store_factory: Any) -> Any:
    return store_factory(HOKUSAI_POLICY="audit")


def test_under_audit_it_is_on_record(audited):
    """The audit policy lets a respelt key pass, and indexes nothing for it."""
    set_right = token_tags()
    create_version(audited, tags=set_right)
    set_tag(audited, "model", 1, "Hokusai_Token_Id", "IMG-001")
    assert len(indexed_versions(audited)) == (0 if is_loose(audited) else 1)
    assert_index_is_truth(audited)


@pytest.mark.parametrize("stored", ["churn ", "CHURN"])
@pytest.mark.parametrize("asked", ["churn", "Churn", "churn "])
def test_a_version_under_another_spelling_of_its_model(store, stored, asked):
    """Every query finds the model that the database finds, under the name that is stored."""
    if not is_loose(store):
        pytest.skip("these are other models here")
    create_model(store, "churn")
    create_version(store, stored)
    create_version(store, "churn", token_tags(**{VALUE: "0.9"}))
    set_tag(store, stored, 2, "note", "a")
    items = store.ask(get_lineage, asked, include_ancestors=True)["lineage"]
    assert [each["model_version"]["name"] for each in items] == ["churn", "churn"]
    assert {"key": "note", "value": "a"} in items[1]["model_version"]["tags"]
    detected = store.ask(deltaone.detect, asked)
    assert (detected["name"], detected["achieved"]) == ("churn", True)
    assert_index_is_truth(store)


@pytest.mark.parametrize("stored", ["churn ", "CHURN"])
def test_a_version_that_stock_mlflow_wrote_under_another_spelling(store, stock_store, stored):
    """Likewise of a version that was written past the plugin, with all its tags."""
    if not is_loose(store):
        pytest.skip("these are other models here")
    create_model(stock_store, "churn")
    create_version(stock_store, stored)
    set_tag(store, "churn", 1, VALUE, "0.9")
    for asked in ("churn", "churn ", "Churn"):
        (item,) = store.ask(get_lineage, asked)["lineage"]
        assert item["model_version"]["name"] == "churn"
        assert len(item["model_version"]["tags"]) == len(token_tags())
    (listed,) = store.ask(list_by_token, "IMG-001")["model_versions"]
    assert len(listed["tags"]) == len(token_tags())


def test_who_may_not_read_the_model_reads_no_spelling_of_it(store, stock_store):
    """Permissions are asked for the stored name of the model, never for a version's spelling."""
    create_model(stock_store, "secret")
    if not is_loose(store):
        pytest.skip("these are other models here")
    create_version(stock_store, "SECRET")
    set_tag(store, "secret", 1, VALUE, "0.9")
    allowed = Visible(lambda name: name != "secret")
    assert store.ask(list_by_token, "IMG-001", visible=allowed)["model_versions"] == []
    for query in (get_lineage, deltaone.detect):
        for name in ("secret", "SECRET"):
            with pytest.raises(Exception, match="not found"):
                store.ask(query, name, visible=allowed)


def test_a_parent_under_another_spelling(client, store):
    """A copy whose source names its model in another case still has its parent."""
    if not is_loose(store):
        pytest.skip("these are other models here")
    create_version(store, "origin")
    create_version(store, "model", source="models:/ORIGIN/1")
    item = store.ask(get_lineage, "model", include_ancestors=True)
    assert item["lineage"][0]["parent"] == {
        "name": "origin",
        "version": "1",
        "relation": "copy",
    }
    assert [each["model_version"]["name"] for each in item["ancestors"]] == ["origin"]


def test_prompts_are_not_found_by_another_spelling(store):
    """A respelt prompt mark does not free a version from the rules."""
    create_model(store)
    with refused_where_equal(store, "MLflow.prompt.is_prompt"):
        create_version(store, tags=token_tags(**{"MLflow.prompt.is_prompt": "true"}))
    create_version(store, "other", tags={PROMPT: "true", TOKEN: "x"})
    with unchanged(store):
        assert_index_is_truth(store)
