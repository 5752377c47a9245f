"""R18: what happened to a model, a token and its rewards (R20) is on record: what, when, who."""

from __future__ import annotations

import json

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.damage import run_sql
from support.registry import (
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.requests import As
from support.rewards import (
    approve,
    assert_sound,
    events,
    faults,
    name_payees,
    rebase,
    reject,
    revoke,
    settle,
    states,
)
from support.statements import statements

from hokusai_mlflow_plugin.services.queries.history import model_history, token_history
from hokusai_mlflow_plugin.services.visibility import Visible

SHARES = json.dumps([{"address": "0x" + 40 * "a", "weight": 10_000}])


def of_model(store, name="model"):
    return store.answer("registered-models/history", name=name)["entries"]


def of_token(store, token_id="IMG-001"):
    return store.answer("tokens/history", token_id=token_id)["entries"]


def told(entries):
    """Action, version and user of each entry, oldest first."""
    return [(each["action"], each["version"], each["actor"]) for each in reversed(entries)]


def test_decisions_name_the_user(store):
    """A decision is kept with the user whose request it came from, on every path."""
    with As("alice"):
        create_version(store)
        create_version(store, tags={})
    for number, (key, value) in enumerate(token_tags(**{VALUE: "0.9"}).items()):
        with As(f"user {number}"):
            set_tag(store, "model", 2, key, value)
    decided = [(each["version"], each["actor"]) for each in of_model(store) if each["decision"]]
    assert decided == [("2", "user 2"), ("1", "alice")]
    assert store.answer("deltaone/detect", name="model")["decision"]["actor"] == "user 2"
    lineage = store.answer("registered-models/lineage", name="model")["lineage"]
    assert [each["decision"]["actor"] for each in lineage] == ["alice", "user 2"]
    assert_sound(store)


def test_without_users(store):
    """In process and without users nobody is named, and no write of a tag is on record."""
    create_version(store)
    set_tag(store, "model", 1, "contributor", "bob")
    assert told(of_model(store)) == [("decided", "1", None)]


def test_what_happened_to_a_model(store):
    """Tags, aliases, stages, renames and deletions, each with its user, in order."""
    with As("alice"):
        create_version(store)
        set_tag(store, "model", 1, "contributor", "bob")
        store.set_registered_model_alias("model", "champion", 1)
        store.transition_model_version_stage("model", 1, "Staging", False)
        create_version(store, tags=token_tags(**{VALUE: "0.851"}))
    with As("bob"):
        store.set_registered_model_alias("model", "champion", 2)
        store.delete_registered_model_alias("model", "champion")
        store.rename_registered_model("model", "renamed")
        store.delete_model_version("renamed", "2")
        set_model_tag(store, "renamed", TOKEN, "IMG-001")
    found = of_model(store, "renamed")
    assert told(found) == [
        ("decided", "1", "alice"),
        ("tags_written", "1", "alice"),
        ("alias_set", "1", "alice"),
        ("stage_set", "1", "alice"),
        ("decided", "2", "alice"),
        ("alias_set", "2", "bob"),
        ("alias_deleted", "2", "bob"),
        ("model_renamed", None, "bob"),
        ("version_deleted", "2", "bob"),
        ("tags_written", None, "bob"),
    ]
    assert [each["details"] for each in reversed(found)] == [
        {},
        {"tags": {"contributor": "bob"}},
        {"alias": "champion", "before": None},
        {"stage": "Staging", "before": "None"},
        {},
        {"alias": "champion", "before": "1"},
        {"alias": "champion"},
        {"from_name": "model"},
        {},
        {"tags": {TOKEN: "IMG-001"}},
    ]
    assert {each["name"] for each in found} == {"renamed"}
    of_its_token = [each for each in found if each["token_id"]]
    assert of_token(store) == of_its_token
    with As("carol"):
        store.delete_registered_model("renamed")
    assert told(of_token(store))[-1] == ("model_deleted", None, "carol")
    with pytest.raises(MlflowException) as caught:
        of_model(store, "renamed")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert_sound(store)


def test_what_happened_to_a_token(store):
    """Declarations are kept with their user; who may not read everything is not told of them."""
    with As("admin"):
        store.answer("tokens/declare", token_id="IMG-001", metrics=["f1"], publishers=["bob"])
        store.answer("tokens/grant", token_id="IMG-001", publishers=["alice"])
        store.answer("tokens/revoke", token_id="IMG-001", publishers=["bob"])
        create_version(store, "secret")
        create_version(store, "open")
        store.answer("tokens/close", token_id="IMG-001")
        store.answer("tokens/close", token_id="IMG-001")
    actions = ["token_declared", "token_granted", "token_revoked", *2 * ["decided"], "token_closed"]
    assert told(of_token(store)) == [
        (action, "1" if action == "decided" else None, "admin") for action in actions
    ]
    declared = of_token(store)[-1]["details"]
    assert declared == {"metrics": ["f1_score"], "ceiling_pp": None, "publishers": ["bob"]}
    visible = Visible(lambda name: name == "open")
    seen = store.ask(token_history, "IMG-001", visible=visible)["entries"]
    assert [(each["action"], each["name"]) for each in seen] == [("decided", "open")]


def test_what_was_done_about_rewards(store_factory):
    """Corrections, reviews and settlements, each with its user, under the model's name of today;
    decisions that a correction takes are its user's, not those of who registered the version.
    """
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    with As("alice"):
        for value in ("0.5", "0.6", "0.7", "0.8"):
            create_version(store, tags=token_tags(**{VALUE: value}))
    first, second, third = (each["id"] for each in events(store))
    reject(store, third, "not shown", "grace")
    approve(store, second, "grace")
    revoke(store, second, "a typo", "ada")
    approve(store, first, "grace")
    name_payees(store, first, SHARES, "forgotten", "ada")
    with As("alice"):
        store.rename_registered_model("model", "renamed")
    for _twice in range(2):
        settle(store, first, "0x1", actor="payer")
    with As("alice"):
        create_version(store, "typo", token_tags(**{VALUE: "0.999", TOKEN: "TYPO-1"}))
        create_version(store, "right", token_tags(**{VALUE: "0.5", TOKEN: "TYPO-1"}))
        store.delete_registered_model("typo")
    rebase(store, "TYPO-1", "accuracy", "0.999 was a typo", "ada")
    found = of_model(store, "renamed")
    done = [each for each in found if each["action"].startswith("reward")]
    assert told(done) == [
        ("reward_rejected", "4", "grace"),
        ("reward_approved", "3", "grace"),
        ("reward_revoked", "3", "ada"),
        ("reward_approved", "2", "grace"),
        ("reward_payees_named", "2", "ada"),
        ("reward_settled", "2", "payer"),
    ]
    assert [each["details"] for each in reversed(done)] == [
        {"event_id": third, "reason": "not shown"},
        {"event_id": second},
        {"event_id": second, "reason": "a typo"},
        {"event_id": first},
        {"event_id": first, "reason": "forgotten", "contributors": ["0x" + 40 * "a"]},
        {"event_id": first, "status": "paid", "reference": "0x1"},
    ]
    by_corrections = [each for each in found if each["decision"] and each["actor"] != "alice"]
    assert told(by_corrections) == [
        ("decided", "4", "grace"),
        ("decided", "3", "grace"),
        ("decided", "3", "ada"),
        ("decided", "2", "ada"),
    ]
    assert [each for each in of_token(store) if each["action"].startswith("reward")] == done
    (rebased,) = [each for each in of_model(store, "right") if each["action"] == "series_rebased"]
    assert (rebased["version"], rebased["actor"], rebased["token_id"]) == ("1", "ada", "TYPO-1")
    assert rebased["details"] == {
        "benchmark_metric": "accuracy",
        "before": "0.999",
        "value": "0.5",
        "reason": "0.999 was a typo",
    }
    readable = Visible(lambda name: name == "renamed")
    seen = store.ask(model_history, "renamed", visible=readable)["entries"]
    assert [(each["action"], each["actor"]) for each in seen] == [
        (each["action"], each["actor"]) for each in found
    ]
    withheld = {"reason", "reference", "contributors"}
    assert all(withheld.isdisjoint(each["details"]) for each in seen)
    nothing = Visible(lambda _name: False)
    assert store.ask(token_history, "IMG-001", visible=nothing)["entries"] == []
    assert_sound(store)


def test_pages(store):
    """Pages follow each other without gap, over both tables, whatever is hidden."""
    for number in range(4):
        name = f"model {number % 2}"
        create_version(store, name, tags=token_tags(**{VALUE: f"0.8{number}"}))
        store.transition_model_version_stage(name, number // 2 + 1, "Staging", False)
    for visible in (Visible(), Visible(lambda name: name == "model 1")):
        whole = store.ask(token_history, "IMG-001", visible=visible)["entries"]
        found, token = [], None
        while True:
            page = store.ask(
                token_history, "IMG-001", max_results=1, page_token=token, visible=visible
            )
            found += page["entries"]
            if (token := page.get("next_page_token")) is None:
                break
        assert found == whole
        assert len(whole) == (8 if visible.all else 4)
    with pytest.raises(MlflowException, match="page_token"):
        store.ask(model_history, "model 1", page_token=page.get("next_page_token") or "forged")


COSTS = {
    "alias": lambda store, name: store.set_registered_model_alias(name, "champion", 1),
    "alias again": lambda store, name: store.set_registered_model_alias(name, "champion", 1),
    "alias deleted": lambda store, name: store.delete_registered_model_alias(name, "champion"),
    "stage": lambda store, name: store.transition_model_version_stage(name, 1, "Staging", False),
    "same stage": lambda store, name: store.transition_model_version_stage(
        name, 1, "Staging", False
    ),
    "version deleted": lambda store, name: store.delete_model_version(name, "1"),
    "renamed": lambda store, name: store.rename_registered_model(name, f"{name} 2"),
}


def test_costs(store, database_uri):
    """An ordinary model costs not one statement more; a tokenised one only what is put on record.

    Deletions of aliases and stages take the lock that they took before.
    """
    stock = SqlAlchemyStore(database_uri)
    for name in ("plain", "plain stock"):
        create_version(store, name, tags={})
    create_version(store, "tokenised")
    extra = {}
    for what, write in COSTS.items():
        counts = []
        for each, name in ((stock, "plain stock"), (store, "plain"), (store, "tokenised")):
            with statements(each.engine) as sent:
                write(each, name)
            counts.append(len(sent))
        theirs, plain, tokenised = counts
        extra[what] = (plain - theirs, tokenised - plain)
    assert extra["alias"] == (0, 1)
    assert extra["alias again"] == (0, 0)
    assert extra["alias deleted"][1] == 1
    assert extra["stage"][1] == 1
    assert extra["same stage"][1] == 0
    assert extra["version deleted"][1] == 2
    assert of_model(store, "tokenised 2")


def test_edits_show(store):
    """What is said of owners and of the past is sealed: an edit past the servers is named."""
    store.answer("tokens/declare", token_id="IMG-001", metrics=["f1"], publishers=["bob"])
    assert faults(store) == []
    run_sql(store, "UPDATE hokusai_token_publishers SET publisher = 'mallory'")
    run_sql(store, "UPDATE hokusai_tokens SET closed_time = NULL, ceiling_pp = '99'")
    run_sql(store, "UPDATE hokusai_history SET actor = 'nobody'")
    codes = sorted(fault.code for fault in faults(store))
    assert codes == ["history_edited", "publisher_edited", "token_edited"]


def test_findings_name_the_user(store_factory):
    """What the audit policy let pass is kept with its user, too."""
    store = store_factory(HOKUSAI_POLICY="audit")
    create_model(store)
    with As("mallory"):
        create_version(store, tags=token_tags(**{VALUE: "nan"}))
    (found,) = store.answer("policy/list")["findings"]
    assert found["actor"] == "mallory"


def test_events_name_no_user_unless_asked(store, store_factory):
    """What leaves the server says who registered the version only where the operator wants that."""
    with As("alice"):
        for value in ("0.5", "0.6"):
            create_version(store, tags=token_tags(**{VALUE: value}))
        naming = store_factory(HOKUSAI_EVENT_ACTORS="true")
        create_version(naming, tags=token_tags(**{VALUE: "0.7"}))
    data = [each["data"] for each in store.answer("reward-events/list")["reward_events"]]
    assert [each.get("actor", "not told") for each in data] == ["not told", "alice"]
    assert_sound(store)
    run_sql(store, "UPDATE hokusai_decisions SET actor = 'mallory' WHERE version = 3")
    assert {fault.code for fault in faults(store)} == {"decision_edited", "decision_differs"}


def test_above_the_ceiling(store):
    """An event that is worth more than its token's ceiling waits for a review; others do not."""
    store.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"], ceiling_pp="5")
    for value in ("0.5", "0.55", "0.61"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    assert states(store) == ["recorded", "in_review"]
    assert_sound(store)
