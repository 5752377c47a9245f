"""R18 and R20 on pages: who has a token, how its events stand, and to whom which of it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.utils.workspace_context import WorkspaceContext
from support.pages import document
from support.registry import TOKEN, VALUE, create_version, token_tags
from support.requests import As
from support.rewards import approve, events, name_payees, reject, revoke, settle

from hokusai_mlflow_plugin.db.schema.tables import deliveries
from hokusai_mlflow_plugin.services.queries import ledger_pages
from hokusai_mlflow_plugin.services.queries.declarations import get_declaration
from hokusai_mlflow_plugin.services.queries.ledger_pages import newest_events, one_event
from hokusai_mlflow_plugin.services.queries.model_histories import version_with_history
from hokusai_mlflow_plugin.services.queries.token_histories import token_with_history
from hokusai_mlflow_plugin.services.visibility import Visible

EVERY_MODEL = Visible(lambda _name: True)
"""Of a user who may read all models, and is no administrator."""


def register(store: Any, *values: str, **tags: str) -> list[str]:
    """Register values in one series, as ``alice``; the ids of all events."""
    with As("alice"):
        for value in values:
            create_version(store, tags=token_tags(**{VALUE: value}, **tags))
    return [event["id"] for event in events(store)]


def page_of(store: Any, event_id: str, visible: Visible | None = None) -> str:
    """An event's page, by default as an administrator gets it."""
    if visible is None:
        return document("event", store.ask(one_event, event_id))
    return document("event", store.ask(one_event, event_id, visible=visible), is_admin=False)


def test_declaration_is_told_as_its_route_tells_it(store):
    """An administrator sees metrics, publishers and ceiling; nobody else sees any of them."""
    register(store, "0.5")
    given = {"metrics": ["accuracy"], "publishers": ["zoe", "<b>bob"], "ceiling_pp": "7.5"}
    store.answer("tokens/declare", token_id="IMG-001", **given)
    answer = store.ask(token_with_history, "IMG-001")
    told = store.ask(get_declaration, "IMG-001")
    assert answer["owner"]["declaration"] == told["declaration"]
    html = document("token", answer)
    assert "zoe" in html
    assert "&lt;b&gt;bob" in html
    assert "+7.5 pp" in html
    other = store.ask(token_with_history, "IMG-001", visible=EVERY_MODEL)
    assert other["owner"] is None
    html = document("token", other, is_admin=False)
    assert "Who may use it" not in html
    assert "zoe" not in html


def test_token_without_declaration_says_what_to_do(store_factory):
    """Where declarations are asked for the page names the command, elsewhere that all may."""
    register(store_factory(), "0.5")
    for policy, words in (("open", "whoever may register versions"), ("declared", "refuses")):
        answer = store_factory(HOKUSAI_TOKENS=policy).ask(token_with_history, "IMG-001")
        assert answer["owner"]["declaration"] is None
        assert words in document("token", answer)


def test_closed_token_says_so(store):
    """A closed token is told from an open one at its head."""
    register(store, "0.5")
    store.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"])
    assert "Closed" not in document("token", store.ask(token_with_history, "IMG-001"))
    store.answer("tokens/close", token_id="IMG-001")
    assert "Closed" in document("token", store.ask(token_with_history, "IMG-001"))


def test_token_of_another_workspace(store_factory, monkeypatch):
    """A token that was assigned to another workspace says where it is, and who may fetch it."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = store_factory()
    with WorkspaceContext("team-a"):
        register(store, "0.5")
    with WorkspaceContext("team-b"):
        store.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"], reassign=True)
    with WorkspaceContext("team-a"):
        answer = store.ask(token_with_history, "IMG-001")
    assert answer["owner"]["is_elsewhere"]
    assert answer["owner"]["declaration"] is None
    assert "It belongs to workspace team-b" in document("token", answer)


def test_review_is_told_to_administrators(store_factory):
    """Who registered, who reviewed and what to do is for administrators, the state for all."""
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    first, second = register(store, "0.5", "0.6", "0.7")
    waiting = page_of(store, first)
    assert "In review" in waiting
    assert f"rewards review approve {first}" in waiting
    assert "alice" in waiting
    assert "alice" in document("ledger", store.ask(newest_events))
    approve(store, first, "grace")
    reject(store, second, actor="heidi")
    assert "Approved" in page_of(store, first)
    assert "grace" in page_of(store, first)
    assert "Rejected" in page_of(store, second)
    assert "heidi" in page_of(store, second)
    for event_id in events(store):
        html = page_of(store, event_id["id"], EVERY_MODEL)
        assert not [name for name in ("alice", "grace", "heidi") if name in html]
        assert "review approve" not in html
    ledger = store.ask(newest_events, visible=EVERY_MODEL)
    assert {event["review"] for event in ledger["reward_events"]} == {None}
    assert "Revoked" in document("ledger", ledger, is_admin=False)


def test_settlement_says_whether_it_was_paid(store):
    """Whoever sees an event sees whether it was paid; the reference is for administrators."""
    paid, refused = register(store, "0.5", "0.6", "0.7")
    settle(store, paid, reference="0xfeed", actor="bank")
    settle(store, refused, reference="0xdead", status="rejected")
    for event_id, word, reference in ((paid, "Paid", "0xfeed"), (refused, "rejected", "0xdead")):
        html = page_of(store, event_id)
        assert word in html
        assert reference in html
        html = page_of(store, event_id, EVERY_MODEL)
        assert word in html
        assert reference not in html
    assert "bank" in page_of(store, paid)
    assert "bank" not in page_of(store, paid, EVERY_MODEL)
    ledger = document("ledger", store.ask(newest_events))
    assert "0xfeed" in ledger
    ledger = document("ledger", store.ask(newest_events, visible=EVERY_MODEL), is_admin=False)
    assert "Paid" in ledger
    assert "Payment rejected" in ledger
    assert "0xfeed" not in ledger
    revoke(store, refused)
    assert "after its payment was rejected" in document("ledger", store.ask(newest_events))


def test_corrections_are_named_by_what_they_correct(store):
    """An event says which later events corrected it, and those who made them."""
    first, second = register(store, "0.5", "0.6", "0.7", contributor="nobody who can be paid")
    name_payees(store, first, json.dumps([{"address": "0x" + "a1" * 20, "weight": 10000}]))
    revoke(store, second, actor="mallory")
    named, revoked = events(store)[2:]
    assert [each["id"] for each in store.ask(one_event, first)["corrections"]] == [named["id"]]
    html = page_of(store, second)
    assert "Taken back" in html
    assert 'Not sent</span> <span class="muted">it was taken back before' in html
    assert "Waits for delivery" not in html
    assert "Waits for delivery" in page_of(store, first)
    assert revoked["id"] in html
    assert "mallory" in page_of(store, revoked["id"])
    assert "mallory" not in page_of(store, revoked["id"], EVERY_MODEL)


def test_revoked_between_two_attempts(store):
    """What was posted once, the reward service may have: nobody is told that it was not sent."""
    (earned,) = register(store, "0.5", "0.6")
    revoke(store, earned)
    with store.engine.begin() as connection:
        connection.execute(deliveries.update().values(attempts=1))
    assert "Not sent again</span>" in page_of(store, earned)


def test_decision_names_its_actor_to_who_may_read_the_model(store):
    """A version's page names who registered it, as its route does."""
    register(store, "0.5")
    answer = store.ask(version_with_history, "model", 1, visible=EVERY_MODEL)
    assert answer["decision"]["actor"] == "alice"
    html = document("version", answer, is_admin=False)
    assert html.count("alice") >= 1


@pytest.mark.parametrize("visible", [None, EVERY_MODEL], ids=["administrator", "user"])
def test_ledger_of_one_state(store, monkeypatch, visible):
    """The ledger shows the events of one state, a bounded part of it at a time."""
    ids = register(store, *(f"0.{number}" for number in range(10, 20)))
    for event_id in ids[::3]:
        settle(store, event_id)
    given = {} if visible is None else {"visible": visible}

    def shown(**parameters):
        answer = store.ask(newest_events, **parameters, **given)
        return [each["sequence"] for each in answer["reward_events"]], answer

    assert shown(state="settled")[0] == [7, 4, 1]
    assert shown(state="settled", before=7)[0] == [4, 1]
    assert shown(state="in_review")[0] == []
    assert shown(state="settled", token_id="NO-ONE")[0] == []
    monkeypatch.setattr(ledger_pages, "MAX_SCANNED", 2)
    found, before = [], None
    while True:
        sequences, answer = shown(state="settled", before=before)
        found += sequences
        html = document("ledger", answer, state="settled", before=before)
        before = answer.get("next_before")
        if before is None:
            break
        assert f"before={before}" in html
        assert sequences or "None of the newest 2 events" in html
    assert found == [7, 4, 1]


def test_token_that_nobody_has_is_its_own(store):
    """A token of before tokens had owners shows as one that anybody may use."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hokusai_tokens")
    create_version(store, tags=token_tags(**{TOKEN: "OLD-001"}))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hokusai_tokens")
    owner = store.ask(token_with_history, "OLD-001")["owner"]
    assert owner["workspace"] is None
    assert not owner["is_elsewhere"]
