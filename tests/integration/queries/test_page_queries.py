"""What the pages ask of the registry: bounded, flat, and the same as the routes tell."""

from __future__ import annotations

import json

import pytest
from support.bulk import seed_versions
from support.pages import LINKS, document
from support.registry import METRIC, VALUE, create_model, create_version, token_tags
from support.rewards import name_payees, revoke, settle
from support.statements import statements

from hokusai_mlflow_plugin.domain.delta import Evidence, Outcome
from hokusai_mlflow_plugin.domain.explanations import MEANING
from hokusai_mlflow_plugin.services.queries.ledger_pages import newest_events, one_event
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.model_histories import (
    model_with_history,
    version_with_history,
)
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.queries.token_histories import (
    token_with_history,
    tokens_with_history,
)
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.visibility import Visible
from hokusai_mlflow_plugin.web.pages import formats, views

MORE_THAN_ITS_ROUTE = 3
MAX_DOCUMENT = 300_000
PAIRS = {
    "": (list_tokens, tokens_with_history, {}),
    "token": (get_token, token_with_history, {"token_id": "IMG-001"}),
    "model": (get_lineage, model_with_history, {"name": "model"}),
    "ledger": (list_events, newest_events, {}),
}


def cost(store, query, **parameters):
    with statements(store.engine) as sent:
        answer = store.ask(query, **parameters)
    return len(sent), answer


@pytest.mark.parametrize("count", [10, 300])
@pytest.mark.parametrize("path", PAIRS)
def test_page_costs_little_more_than_its_route(store, path, count):
    """A page sends at most three statements more than its route, however much there is."""
    seed_versions(store, count)
    for value in ("0.90", "0.92", "0.95"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    route, query, parameters = PAIRS[path]
    of_route, _answer = cost(store, route, **parameters)
    of_page, _answer = cost(store, query, **parameters)
    assert of_page <= of_route + MORE_THAN_ITS_ROUTE


def test_event_page_costs_little_more_than_its_route(store):
    """So does the page of one event, with all that happened to it."""
    for value in ("0.5", "0.6", "0.7"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    first = store.ask(list_events)["reward_events"][0]
    name_payees(store, first["id"], json.dumps([{"address": "0x" + "a1" * 20, "weight": 10000}]))
    settle(store, first["id"])
    of_route, _answer = cost(store, list_events, max_results=1)
    of_page, answer = cost(store, one_event, id=first["id"])
    assert of_page <= of_route + MORE_THAN_ITS_ROUTE
    assert [each["type"] for each in answer["corrections"]] == ["hokusai.deltaone.payees_named"]


def test_statements_do_not_grow_with_the_history(store):
    """A page of a token with 10,000 versions, or a model with 1,000, asks what a short one asks."""
    seed_versions(store, 20, token_id="SHORT-1", names=["short"])
    seed_versions(store, 10_000, token_id="LONG-1", names=["long"])
    seed_versions(store, 1_000, token_id="MODEL-1", names=["thousand"])
    for query, key, short, long in (
        (token_with_history, "token_id", "SHORT-1", "LONG-1"),
        (model_with_history, "name", "short", "thousand"),
    ):
        few, _answer = cost(store, query, **{key: short})
        many, answer = cost(store, query, **{key: long})
        assert many == few
        html = document(key.removesuffix("_id").replace("name", "model"), answer, **{key: long})
        assert len(html.encode()) < MAX_DOCUMENT


def test_model_page_goes_back_to_its_first_version(store):
    """Pages of a model's history end to end have each version once, the newest page first."""
    seed_versions(store, 250, names=["model"])
    seen, before = [], None
    while True:
        page = store.ask(model_with_history, "model", before=before)
        numbers = [int(item["model_version"]["version"]) for item in page["lineage"]]
        assert numbers == sorted(numbers)
        seen = numbers + seen
        if page["is_first"]:
            break
        before = numbers[0]
    assert seen == list(range(1, 251))


def test_tokens_have_their_latest_values(store):
    """Small charts are of the latest live values, oldest first, of what may be read."""
    for number in range(30):
        create_version(store, "model", token_tags(**{VALUE: f"0.5{number:02}"}))
    create_version(store, "other", token_tags(**{VALUE: "0.7"}))
    store.delete_model_version("model", "30")
    (token,) = store.ask(tokens_with_history)["tokens"]
    values = [point["benchmark_value"] for point in token["latest"]]
    assert values == [*(f"0.5{number:02}" for number in range(6, 29)), "0.7"]
    visible = Visible(lambda name: name == "model")
    (token,) = store.ask(tokens_with_history, visible=visible)["tokens"]
    assert {point["name"] for point in token["latest"]} == {"model"}


def test_ledger_page_is_newest_first(store):
    """The ledger's page has the events of the feed from its end, each with its delivery."""
    for number in range(60):
        create_version(store, tags=token_tags(**{VALUE: f"0.{10 + number}"}))
    first = store.ask(newest_events)
    sequences = [event["sequence"] for event in first["reward_events"]]
    assert sequences == list(range(59, 9, -1))
    rest = store.ask(newest_events, before=first["next_before"])
    assert [event["sequence"] for event in rest["reward_events"]] == list(range(9, 0, -1))
    assert "next_before" not in rest
    assert {event["delivery"]["status"] for event in rest["reward_events"]} == {"pending"}
    assert store.ask(newest_events, token_id="NO-ONE")["reward_events"] == []
    feed = store.ask(list_events, max_results=1000)["reward_events"]
    shown = [*first["reward_events"], *rest["reward_events"]][::-1]
    beside = {"delivery", "state", "settlement", "review", "corrected_by"}
    assert [{key: e[key] for key in e.keys() - beside} for e in shown] == feed


def test_event_page_hides_what_may_not_be_read(store):
    """An event and its neighbours are there for who may read all models that they name."""
    create_version(store, "one", token_tags(**{VALUE: "0.5"}))
    create_version(store, "two", token_tags(**{VALUE: "0.6"}))
    create_version(store, "two", token_tags(**{VALUE: "0.7"}))
    first, second = store.ask(list_events)["reward_events"]
    whole = store.ask(one_event, second["id"])
    assert (whole["previous"], whole["event"], whole["next"]) == (first, second, None)
    visible = Visible(lambda name: name == "two")
    assert store.ask(one_event, second["id"], visible=visible)["previous"] is None
    for missing in (first["id"], "no-such-id"):
        with pytest.raises(Exception, match="No reward event has the id"):
            store.ask(one_event, missing, visible=visible)


def test_version_page_has_every_decision(store):
    """A version's page has the decision in force and all before it."""
    create_version(store, tags=token_tags(**{VALUE: "0.5"}))
    create_version(store, tags=token_tags(**{VALUE: "0.502"}))
    for value in ("0.503", "0.504"):
        tag = type("Tag", (), {"key": VALUE, "value": value})
        store.set_model_version_tag("model", "2", tag)
    found = store.ask(version_with_history, "model", 2)
    assert found["decision"]["value"] == "0.504"
    assert [each["value"] for each in found["history"]] == ["0.503", "0.502"]
    assert found["item"]["parent"] == {"name": "model", "version": "1", "relation": "preceding"}


def test_aliases_are_shown(store):
    """A model's page has the aliases of its versions."""
    create_version(store)
    store.set_registered_model_alias("model", "champion", "1")
    assert store.ask(model_with_history, "model")["aliases"] == {1: ["champion"]}


def test_model_without_tokens_says_what_to_do(store):
    """An empty page shows the snippet that registers the first version."""
    create_model(store, "bare")
    answer = store.ask(model_with_history, "bare")
    assert "register_tokenized_model" in document("model", answer, name="bare")
    assert METRIC in document("model", answer, name="bare")


def test_hidden_values_are_not_drawn(store):
    """A chart has the values of readable models alone."""
    create_version(store, "one", token_tags(**{VALUE: "0.5"}))
    create_version(store, "two", token_tags(**{VALUE: "0.123"}))
    answer = store.ask(token_with_history, "IMG-001", visible=Visible(lambda name: name == "one"))
    (drawn,) = views.series_charts(answer["versions"], "order", LINKS, named=True)
    assert [mark.point.value for mark in drawn.chart.marks] == ["0.5"]


def test_corrections_are_pages_like_any_event(store):
    """Corrections and what they are about have their words on every page."""
    tags = token_tags(contributor="nobody who can be paid")
    create_version(store, tags={**tags, VALUE: "0.5"})
    for value in ("0.6", "0.7"):
        create_version(store, tags={**tags, VALUE: value})
    first, second = store.ask(list_events)["reward_events"]
    payees = [{"address": "0x" + "a1" * 20, "weight": 10000}]
    name_payees(store, first["id"], json.dumps(payees))
    revoke(store, second["id"])
    found = store.ask(newest_events)
    html = document("ledger", found)
    assert "Names the payees of" in html
    assert {event["state"] for event in found["reward_events"]} >= {"recorded", "revoked"}
    for event in found["reward_events"]:
        page = document("event", store.ask(one_event, event["id"]))
        assert ("Who was to be paid" in page) == event["type"].endswith("revoked")
    assert "Revoked" in document("version", store.ask(version_with_history, "model", 3))
    assert "Revoked" in document("model", store.ask(model_with_history, "model"), name="model")
    assert "Revoked" in document("token", store.ask(token_with_history, "IMG-001"))


def test_every_outcome_has_its_words():
    """No decision is without a word, a meaning and a word for its evidence."""
    for each in Outcome:
        assert formats.outcome(each.value)
        assert MEANING[each.value]
    assert {formats.evidence(each.value) for each in Evidence}


def test_several_contributors_are_all_named():
    """Of two addresses with their shares neither is cut off; a long text is."""
    shares = [{"address": f"0x{digit * 40}", "weight": 5000} for digit in "ab"]
    tag = {"key": "contributors", "value": json.dumps(shares)}
    assert formats.contributor({"tags": [tag]}) == "0xaaaa…aaaa 50 %, 0xbbbb…bbbb 50 %"
    tag = {"key": "contributor", "value": "word " * 100}
    assert len(formats.contributor({"tags": [tag]})) == formats.MAX_TEXT
