"""Answers for askers who may read some models only: full pages, and counts that leak nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from support.bulk import seed_versions
from support.registry import create_version, token_tags
from support.statements import statements

from hokusai_mlflow_plugin.services import visibility
from hokusai_mlflow_plugin.services.queries import deltaone, reward_events
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.services.visibility import Visible, fill

MODELS = [f"model-{number:02}" for number in range(12)]
READABLE = {name for name in MODELS if int(name[-2:]) % 4 == 3}


def _readable(name: str) -> bool:
    return name in READABLE


@pytest.fixture
def crowded(store: Any) -> Any:
    """A registry where twelve models share two tokens, version by version."""
    for value in ("0.10", "0.20"):
        for name in MODELS:
            token = "EVEN-1" if int(name[-2:]) % 2 == 0 else "ODD-1"
            tags = token_tags(hokusai_token_id=token, benchmark_value=value, note=name)
            create_version(store, name, tags)
    return store


def _pages(ask: Callable[..., dict[str, Any]]) -> Iterator[list[Any]]:
    token = None
    while True:
        answer = ask(page_token=token)
        yield answer["model_versions"]
        token = answer.get("next_page_token")
        if token is None:
            return


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_are_filled_with_readable_versions(crowded: Any, size: int) -> None:
    """Every page but the last is full, the last is not empty, and no version is missing."""

    def ask(**parameters: Any) -> dict[str, Any]:
        query = list_by_token
        return crowded.ask(query, "ODD-1", size, visible=Visible(_readable), **parameters)

    pages = list(_pages(ask))
    assert all(len(page) == size for page in pages[:-1])
    assert 1 <= len(pages[-1]) <= size
    found = [(each["name"], each["version"]) for page in pages for each in page]
    expected = crowded.ask(list_by_token, "ODD-1")["model_versions"]
    assert found == [(m["name"], m["version"]) for m in expected if m["name"] in READABLE]


def test_readable_versions_keep_their_tags(crowded: Any) -> None:
    """A filtered page has the tags of its versions, as an unfiltered one has."""
    answer = crowded.ask(list_by_token, "ODD-1", visible=Visible(_readable))
    for version in answer["model_versions"]:
        assert {"key": "note", "value": version["name"]} in version["tags"]


def test_token_totals_are_those_of_readable_models(crowded: Any) -> None:
    """Who may read three models of one token sees that token alone, with their totals."""
    visible = Visible(_readable)
    (token,) = crowded.ask(list_tokens, visible=visible)["tokens"]
    assert (token["token_id"], token["model_count"], token["version_count"]) == ("ODD-1", 3, 6)
    one = crowded.ask(get_token, "ODD-1", visible=visible)["token"]
    assert {key: one[key] for key in token} == token
    whole = crowded.ask(list_tokens)["tokens"]
    assert [(t["token_id"], t["version_count"]) for t in whole] == [("EVEN-1", 12), ("ODD-1", 12)]


def test_filtered_totals_of_all_are_the_totals(crowded: Any) -> None:
    """Added up model by model, the totals are those that one query gives."""
    everyone = Visible(lambda _name: True)
    for query, arguments in (
        (list_tokens, {}),
        (list_tokens, {"prefix": "EV"}),
        (list_tokens, {"max_results": 1}),
        (get_token, {"token_id": "EVEN-1"}),
        (list_by_token, {"token_id": "EVEN-1", "max_results": 5}),
        (get_lineage, {"name": MODELS[0], "include_ancestors": True}),
        (list_events, {}),
    ):
        filtered = crowded.ask(query, **arguments, visible=everyone)
        assert filtered == crowded.ask(query, **arguments)


def test_series_of_an_unreadable_head_is_hidden(crowded: Any) -> None:
    """The head of a series is told only to who may read the version that holds it."""
    whole = crowded.ask(get_token, "ODD-1")["token"]["series"]
    holder = whole[0]["head"]["name"]
    for readable, expected in (({holder}, whole), (READABLE - {holder}, [])):
        visible = Visible(readable.__contains__)
        token = crowded.ask(get_token, "ODD-1", visible=visible)["token"]
        assert token["series"] == expected


def test_a_copy_of_an_unreadable_model(store: Any) -> None:
    """Who may read a copy and not its original is told that it is one, and not of what."""
    for value in ("0.10", "0.20"):
        create_version(store, "original", token_tags(benchmark_value=value))
    store.rename_registered_model("original", "today's name")
    store.copy_model_version(store.get_model_version("today's name", "2"), "copy")
    copies_alone, everything = Visible("copy".__eq__), Visible(lambda _name: True)
    for visible, is_told in ((copies_alone, False), (everything, True)):
        found = store.ask(deltaone.detect, "copy", visible=visible)
        (item,) = store.ask(get_lineage, "copy", visible=visible)["lineage"]
        for decision in (found["decision"], item["decision"]):
            assert decision["outcome"] == "copy"
            assert ("today's name" in decision["reason"]) == is_told
        assert (item["parent"] is not None) == is_told


def test_events_are_shown_whole_or_not_at_all(crowded: Any) -> None:
    """An event is for who may read both of its models."""
    create_version(crowded, "winner", token_tags(hokusai_token_id="ODD-1", benchmark_value="0.90"))
    event = crowded.ask(list_events)["reward_events"][-1]
    loser = event["data"]["baseline"]["name"]
    for readable, expected in (({"winner", loser}, [event]), ({"winner"}, []), ({loser}, [])):
        visible = Visible(readable.__contains__)
        found = crowded.ask(list_events, event["sequence"] - 1, visible=visible)
        assert found["reward_events"] == expected


def test_permission_is_asked_once_for_each_model(crowded: Any) -> None:
    """However many versions an answer goes through, each model is asked about once."""
    asked: Counter[str] = Counter()

    def may_read(name: str) -> bool:
        asked[name] += 1
        return _readable(name)

    visible = Visible(may_read)
    crowded.ask(list_by_token, "ODD-1", 1, visible=visible)
    crowded.ask(get_token, "ODD-1", visible=visible)
    crowded.ask(list_tokens, visible=visible)
    assert set(asked.values()) == {1}


def test_fill_asks_until_the_page_is_full() -> None:
    """A page is full while there is anything left, and nothing is asked for after the end."""
    asked: list[int] = []

    def fetch(start: int, count: int) -> list[int]:
        asked.append(count)
        return list(range(start + 1, min(start + count, 5000) + 1))

    found = fill(fetch, lambda row: row, 0, 3, lambda row: row % 1500 == 0)
    assert found == [1500, 3000, 4500]
    assert asked == [3, 1000, 1000, 1000, 1000, 1000]
    assert fill(fetch, lambda row: row, 4999, 3, lambda _row: True) == [5000]
    assert fill(fetch, lambda row: row, 0, 3, lambda _row: False) == []


def test_other_spelling_of_a_name_is_no_way_around(crowded: Any) -> None:
    """MySQL finds a name in any case: what counts is whether the stored name may be read."""
    visible = Visible(lambda name: name != MODELS[0])
    for query in (get_lineage, deltaone.detect):
        with pytest.raises(MlflowException, match="not found"):
            crowded.ask(query, MODELS[0].upper(), visible=visible)


def test_a_renamed_model_keeps_its_events(crowded: Any) -> None:
    """Who may read a model sees the event that it earned under an earlier name, and no one else:
    neither who may read another model that took the name, nor who may read the old name alone.
    """
    create_version(crowded, "winner", token_tags(hokusai_token_id="ODD-1", benchmark_value="0.90"))
    event = crowded.ask(list_events)["reward_events"][-1]
    loser = event["data"]["baseline"]["name"]
    crowded.rename_registered_model("winner", "renamed")
    crowded.rename_registered_model(loser, "beaten")
    create_version(crowded, "winner", tags={})
    for readable, expected in (
        ({"renamed", "beaten"}, [event]),
        ({"winner", "beaten"}, []),
        ({"renamed", loser}, []),
        ({"winner", loser}, []),
    ):
        visible = Visible(readable.__contains__)
        found = crowded.ask(list_events, event["sequence"] - 1, visible=visible)
        assert found["reward_events"] == expected


def test_a_feed_of_unreadable_events_ends_early(
    crowded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request looks at so many events and says where to go on; followed, nothing is missed."""
    for number in range(3, 9):
        tags = token_tags(hokusai_token_id="ODD-1", benchmark_value=f"0.{number}")
        create_version(crowded, MODELS[3] if number > 6 else MODELS[1], tags)
    everything = crowded.ask(list_events)["reward_events"]
    monkeypatch.setattr(reward_events, "MAX_SCANNED", 2)
    visible = Visible({MODELS[3]}.__contains__)
    after, found, answers = 0, [], []
    while True:
        answer = crowded.ask(list_events, after, max_results=1, visible=visible)
        answers.append(answer)
        found += answer["reward_events"]
        if "next_after" in answer:
            after = answer["next_after"]
        elif len(answer["reward_events"]) == 1:
            after = answer["reward_events"][-1]["sequence"]
        else:
            break
    names = [(each["data"]["name"], each["data"]["baseline"]["name"]) for each in everything]
    readable = [e for e, own in zip(everything, names, strict=True) if set(own) == {MODELS[3]}]
    assert found == readable
    assert len(readable) == 1
    assert "next_after" in answers[0]
    assert len(answers) > len(everything) // 2


def test_who_may_read_everything_is_never_stopped(
    crowded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For administrators the feed is as ever: after N, without gaps."""
    monkeypatch.setattr(reward_events, "MAX_SCANNED", 1)
    answer = crowded.ask(list_events)
    assert len(answer["reward_events"]) > 1
    assert set(answer) == {"reward_events", "states"}


def test_hidden_versions_cost_no_statement_each(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a token with many hidden models every answer takes as many statements as of few."""
    monkeypatch.setattr(visibility, "_REFILL", 5)
    hidden = [f"hidden-{number}" for number in range(30)]
    seed_versions(store, 60, token_id="MANY-1", names=hidden)
    create_version(store, "readable", token_tags(hokusai_token_id="MANY-1"))
    for readable in ({"readable"}, set()):
        for query, parameters, count in (
            (list_by_token, {"token_id": "MANY-1", "max_results": 2}, 5),
            (list_tokens, {"max_results": 2}, 4),
        ):
            visible = Visible(readable.__contains__)
            with statements(store.engine) as sent:
                answer = store.ask(query, **parameters, visible=visible)
            found = answer.get("model_versions", answer.get("tokens"))
            assert len(found) == len(readable)
            assert len(sent) <= count, sent
