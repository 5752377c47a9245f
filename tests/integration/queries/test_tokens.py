"""``tokens/list``, ``tokens/get`` and ``tags/validate``."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import text
from support.refusals import unchanged
from support.registry import METRIC, TOKEN, VALUE, create_version, token_tags
from support.rewards import events

from hokusai_mlflow_plugin.services.queries.tag_validation import validate_tags
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.rewards import improvements
from hokusai_mlflow_plugin.services.visibility import Visible

A = "0x" + 40 * "a"
B = "0x" + 40 * "b"
IDS = ["A-1", "IMG-001", "IMG-0010", "IMG-002", "IMGX-1", "Z-9"]


def register(store, token_id, name="model", **tags):
    return create_version(store, f"{name} {token_id}", token_tags(**{TOKEN: token_id}, **tags))


def listed(store, **parameters):
    return [t["token_id"] for t in store.ask(list_tokens, **parameters)["tokens"]]


def test_totals(store):
    """A token's totals count its live versions and their models."""
    register(store, "IMG-001")
    register(store, "IMG-001")
    register(store, "IMG-001", name="other")
    last = register(store, "IMG-001", name="third")
    register(store, "SENT-001")
    register(store, "IMG-001", name="deleted")
    store.delete_model_version("deleted IMG-001", "1")
    (token, other) = store.ask(list_tokens)["tokens"]
    assert (token["model_count"], token["version_count"]) == (3, 4)
    assert token["last_registered_timestamp"] == last.creation_timestamp
    assert (other["token_id"], other["model_count"], other["version_count"]) == ("SENT-001", 1, 1)
    single = store.ask(get_token, "IMG-001")["token"]
    assert {key: single[key] for key in token} == token


@pytest.mark.parametrize("max_results", [1, 2, 3, 6, 100])
def test_pages(store, max_results):
    """Tokens come in the order of their ids, on pages of any size."""
    for token_id in reversed(IDS):
        register(store, token_id)
    found, token = [], None
    while True:
        answer = store.ask(list_tokens, max_results=max_results, page_token=token)
        found += [each["token_id"] for each in answer["tokens"]]
        token = answer.get("next_page_token")
        if token is None:
            break
    assert found == IDS


@pytest.mark.parametrize(
    ("prefix", "count"),
    [("", 6), ("IMG", 4), ("IMG-", 3), ("IMG-001", 2), ("IMG-0010", 1), ("I", 4), ("Q", 0)],
)
def test_prefix(store, prefix, count):
    """A prefix keeps the tokens whose ids begin with it."""
    for token_id in IDS:
        register(store, token_id)
    found = listed(store, prefix=prefix)
    assert found == [token_id for token_id in IDS if token_id.startswith(prefix)]
    assert len(found) == count


@pytest.mark.parametrize("prefix", ["img", "%", "_", "IMG%", "IMG_", "-", "1", "'", "ＩＭＧ"])
def test_wrong_prefix(store, prefix):
    """A prefix that no token id begins with is a wrong request; no sign in it is a wildcard."""
    with pytest.raises(MlflowException, match="prefix") as caught:
        listed(store, prefix=prefix)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    "parameters", [{"max_results": 0}, {"max_results": 1001}, {"page_token": "x"}], ids=str
)
def test_wrong_parameters(store, parameters):
    """A parameter that cannot be used is a wrong request, and the message names it."""
    with pytest.raises(MlflowException, match=next(iter(parameters))) as caught:
        listed(store, **parameters)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_contributors(store):
    """A token names its payable contributors, each once, whatever the case of the address."""
    register(store, "IMG-001", contributor=A)
    register(store, "IMG-001", contributor_address=A.upper().replace("X", "x"))
    register(store, "IMG-001", contributor=B)
    register(store, "IMG-001", contributor="0x123...")
    register(store, "IMG-001")
    register(store, "SENT-001", contributor="0x" + 40 * "c")
    found = store.ask(get_token, "IMG-001")["token"]["contributors"]
    assert [(p["contributor_address"], p["version_count"]) for p in found] == [(A, 2), (B, 1)]


def test_who_was_paid_stays_a_contributor(store):
    """Contributors come from reward events as well: deleting the version takes nobody off."""
    register(store, "IMG-001", contributor=A)
    register(store, "IMG-001", contributor=B, **{VALUE: "0.90"})
    store.delete_model_version("model IMG-001", "2")
    found = store.ask(get_token, "IMG-001")["token"]["contributors"]
    assert found == [
        {
            "contributor_address": A,
            "version_count": 1,
            "last_registered_timestamp": found[0]["last_registered_timestamp"],
            "improvements": [],
        },
        {
            "contributor_address": B,
            "version_count": 0,
            "last_registered_timestamp": None,
            "improvements": [
                {"benchmark_metric": "accuracy", "deltaone_count": 1, "improvement_pp": "5"}
            ],
        },
    ]


def test_unknown_token(store):
    """A token that no live version carries is not found."""
    register(store, "IMG-001")
    store.delete_model_version("model IMG-001", "1")
    for token_id in ("IMG-001", "NOBODY-1"):
        with pytest.raises(MlflowException, match=token_id) as caught:
            store.ask(get_token, token_id)
        assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
        assert caught.value.get_http_status_code() == 404


def test_a_token_that_was_paid_stays(store):
    """With all versions deleted, and then the model, who was paid is told all the same."""
    for value in ("0.80", "0.85"):
        create_version(store, "paid", token_tags(benchmark_value=value, contributor=A))
    before = store.ask(get_token, "IMG-001")["token"]
    for version in ("1", "2"):
        store.delete_model_version("paid", version)
    for gone in (lambda: None, lambda: store.delete_registered_model("paid")):
        gone()
        token = store.ask(get_token, "IMG-001")["token"]
        assert (token["model_count"], token["version_count"]) == (0, 0)
        assert token["last_registered_timestamp"] is None
        assert token["series"] == before["series"]
        (person,) = token["contributors"]
        assert person["improvements"] == before["contributors"][0]["improvements"]
    assert store.ask(list_tokens)["tokens"] == []
    with pytest.raises(MlflowException, match="IMG-001"):
        store.ask(get_token, "IMG-001", visible=Visible(lambda _name: False))
    readable = Visible(lambda name: name == "paid")
    assert store.ask(get_token, "IMG-001", visible=readable)["token"]["version_count"] == 0


def test_malformed_token(store):
    """A malformed token id is a wrong request."""
    with pytest.raises(MlflowException, match="Token ID format invalid") as caught:
        store.ask(get_token, "img_001")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_orphaned_rows_do_not_count(store):
    """Versions that another program removed count for nothing."""
    register(store, "IMG-001")
    register(store, "IMG-001", contributor=A)
    register(store, "SENT-001")
    with store.engine.begin() as connection:
        for table in ("model_version_tags", "model_versions"):
            connection.execute(
                text(f"DELETE FROM {table} WHERE version = 2 OR name = 'model SENT-001'")
            )
    (token,) = store.ask(list_tokens)["tokens"]
    assert (token["token_id"], token["version_count"]) == ("IMG-001", 1)
    assert store.ask(get_token, "IMG-001")["token"]["contributors"] == []
    with pytest.raises(MlflowException):
        store.ask(get_token, "SENT-001")


def test_unknown_query(store):
    """A client in the same process that asks what no route answers is told so."""
    with pytest.raises(MlflowException, match="has the path 'tokens/nothing'") as caught:
        store.answer("tokens/nothing")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def validated(store, tags):
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    return store.ask(validate_tags, tags=listed)


def test_validation_writes_nothing(store):
    """``tags/validate`` tells what a registration would be refused for, and changes nothing."""
    with unchanged(store):
        good = validated(store, token_tags(contributor=A))
        bad = validated(store, {TOKEN: "img_001", VALUE: "nan"})
        too_good = validated(store, token_tags(benchmark_value="1.7"))
    assert good == {"valid": True, "violations": [], "warnings": []}
    assert [w["code"] for w in bad["warnings"]] == ["contributor_missing"]
    assert bad["valid"] is False
    assert [(v["key"], v["code"]) for v in bad["violations"]] == [
        (METRIC, "required_tag_missing"),
        (TOKEN, "token_id_invalid"),
        (VALUE, "benchmark_value_invalid"),
    ]
    assert [v["code"] for v in too_good["violations"]] == ["benchmark_value_out_of_bounds"]


@pytest.mark.parametrize("count", [3, 4, 5])
def test_improvements_are_cut_off_and_say_so(store, monkeypatch, count):
    """Who may not read all looks at so many events; the rest is added up from the feed, exactly."""
    monkeypatch.setattr(improvements, "MAX_EVENTS", 4)
    monkeypatch.setattr(improvements, "_BATCH", 2)
    for step in range(count + 1):
        value = {VALUE: f"0.{10 + step}"}
        create_version(store, tags=token_tags(**value, contributor_address=A))
    create_version(store, "hidden", token_tags(**{VALUE: "0.9"}, contributor_address=A))
    readable = Visible(lambda name: name == "model")
    token = store.ask(get_token, "IMG-001", visible=readable)["token"]
    (person,) = token["contributors"]
    (found,) = person["improvements"]
    # The event of the hidden model is one more that is looked at.
    assert token.get("improvements_until") == (4 if count + 1 > 4 else None)
    assert found["improvement_pp"] == str(min(count, 4))
    after = token.get("improvements_until", count + 1)
    rest = events(store, after=after, token_id="IMG-001", visible=readable)
    assert len(rest) + int(found["improvement_pp"]) == count
    everything = store.ask(get_token, "IMG-001")["token"]
    assert "improvements_until" not in everything
    assert everything["contributors"][0]["improvements"][0]["deltaone_count"] == count + 1
