"""R20: a second pair of eyes before an event is delivered, and what became of it afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.damage import run_sql
from support.receiver import SECRET, receiving
from support.registry import VALUE, create_version, set_tag, token_tags
from support.requests import As
from support.rewards import (
    approve,
    assert_sound,
    codes,
    events,
    name_payees,
    outcomes,
    reject,
    revoke,
    settle,
    states,
    unsettled,
)

from hokusai_mlflow_plugin.db.rewards import replays
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.domain.errors import (
    CorrectionRefused,
    EventNotFound,
    InvalidRequest,
    ReviewerNotAllowed,
)
from hokusai_mlflow_plugin.services.queries import reward_events
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver
from hokusai_mlflow_plugin.store.mlflow_compat import authentication
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

PAYEE = "0x" + 40 * "a"
SHARES = json.dumps([{"address": PAYEE, "weight": 10000}])
RESPELT = ["bo\u00adb", "b\u00f8b", "bo\u200db", "b\u1d3cb", "bo\x01b", "bo\u0640b"]
"""Names under which a collation of MySQL or MariaDB finds "bob": with a soft hyphen, a stroke, a
joiner, a modifier letter, a control and a tatweel.
"""


def register(store: Any, *values: str) -> list[str]:
    """Register values in one series; the ids of all its events."""
    for value in values:
        create_version(store, tags=token_tags(**{VALUE: value}))
    return [event["id"] for event in events(store)]


def deliver(store: Any) -> list[str]:
    """Deliver what is due; the ids that the receiver got."""
    with receiving() as receiver:
        session = webhook_session(receiver.url, allow_private=True)
        policy = RetryPolicy(base_s=3600)
        Dispatcher(store.engine, Receiver(receiver.url, [SECRET]), policy, session).deliver_due()
        return list(receiver.ids)


@pytest.fixture
def reviewed(store_factory: Any) -> Any:
    """A registry whose rewards are reviewed, with a DeltaOne that waits."""
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    register(store, "0.5", "0.6")
    return store


def test_not_before_it_is_approved(reviewed):
    """An event in review is in the feed, and is delivered once it is approved."""
    (event_id,) = register(reviewed)
    assert states(reviewed) == ["in_review"]
    assert deliver(reviewed) == []
    assert_sound(reviewed)
    assert approve(reviewed, event_id, "grace")["id"] == event_id
    assert states(reviewed) == ["recorded"]
    assert deliver(reviewed) == [event_id]
    assert states(reviewed) == ["delivered"]
    with pytest.raises(CorrectionRefused, match="was approved by 'grace' already"):
        approve(reviewed, event_id, "ada")
    with pytest.raises(CorrectionRefused, match="approved by 'grace' already"):
        reject(reviewed, event_id)
    assert_sound(reviewed)


def test_rejected(reviewed):
    """A rejection is a revocation: only that is delivered."""
    (event_id,) = register(reviewed)
    revocation = reject(reviewed, event_id, "wrong test set", "grace")
    assert revocation["type"] == "hokusai.deltaone.revoked"
    assert states(reviewed) == ["revoked", "recorded"]
    assert outcomes(reviewed, versions=2) == ["baseline", "revoked"]
    assert deliver(reviewed) == [revocation["id"]]
    with pytest.raises(CorrectionRefused, match="was rejected by 'grace' already"):
        approve(reviewed, event_id)
    with pytest.raises(CorrectionRefused, match="no reviewer has approved it"):
        settle(reviewed, event_id)
    with pytest.raises(CorrectionRefused, match="rejected"), reviewed.engine.begin() as connection:
        replays.replay(connection, "default", event_id, 0)
    assert_sound(reviewed)


def test_revoked_while_in_review(reviewed):
    """Whoever revokes an event that waits for its review rejects it."""
    (event_id,) = register(reviewed)
    revoke(reviewed, event_id)
    assert states(reviewed) == ["revoked", "recorded"]
    with pytest.raises(CorrectionRefused, match="was rejected already"):
        approve(reviewed, event_id)
    assert_sound(reviewed)


def test_not_by_who_made_it(store_factory):
    """Who registered the version, wrote its tags or amended them does not approve its event, under
    no spelling of his name; another does.
    """
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    with As("ada"):
        register(store, "0.5", "0.505")
    with As("mallory"):
        set_tag(store, "model", 2, "contributor_address", PAYEE)
    with As("bob"):
        set_tag(store, "model", 2, VALUE, "0.6")
    (event_id,) = register(store)
    for author in ("ada", "mallory", "bob", "Bob", "\uff22OB", " bob", "bób", *RESPELT):
        with pytest.raises(ReviewerNotAllowed, match="somebody else has to approve it"):
            approve(store, event_id, author)
    assert states(store) == ["in_review"]
    approve(store, event_id, "grace")
    assert authentication.authenticated_user() is None
    assert_sound(store)


def test_not_by_who_asked_for_it(store_factory):
    """Nor does he where the decision was deleted past the plugin: the review names him itself."""
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    with As("ada"):
        (event_id,) = register(store, "0.5", "0.6")
    run_sql(store, "DELETE FROM hokusai_decisions WHERE outcome = 'achieved'")
    with pytest.raises(ReviewerNotAllowed, match="somebody else has to approve it"):
        approve(store, event_id, "ada")
    assert states(store) == ["in_review"]


def test_payees_not_by_who_made_it(store_factory):
    """What was approved for nobody does not become a reward for who registered it, by himself."""
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    with As("ada"):
        (event_id,) = register(store, "0.5", "0.6")
    approve(store, event_id, "grace")
    with pytest.raises(ReviewerNotAllowed, match="somebody else has to name its payees"):
        name_payees(store, event_id, SHARES, actor="Ada")
    name_payees(store, event_id, SHARES, actor="grace")
    assert_sound(store)


def test_settled_events_take_no_payees(store):
    """Who paid an event by other means, or never will, is not told of payees for it."""
    first, second = register(store, "0.5", "0.6", "0.7")
    settle(store, first, "0x1")
    settle(store, second, "nobody known", "rejected")
    for event_id, how in ((first, "paid with reference '0x1'"), (second, "rejected")):
        with pytest.raises(CorrectionRefused, match=f"settled already, as {how}"):
            name_payees(store, event_id, SHARES)
    assert len(events(store)) == 2
    assert_sound(store)


def test_what_an_event_in_review_does_not_take(reviewed):
    """It gets no payees, no settlement and no delivery before it is approved."""
    (event_id,) = register(reviewed)
    with pytest.raises(CorrectionRefused, match="review it first"):
        name_payees(reviewed, event_id, SHARES)
    with pytest.raises(CorrectionRefused, match="no reviewer has approved it"):
        settle(reviewed, event_id)
    with pytest.raises(CorrectionRefused, match="not over"), reviewed.engine.begin() as connection:
        replays.replay(connection, "default", event_id, 0)
    assert unsettled(reviewed) == []
    approve(reviewed, event_id)
    name_payees(reviewed, event_id, SHARES)
    assert_sound(reviewed)


def test_nothing_to_review(store):
    """Without the setting no event waits."""
    (event_id,) = register(store, "0.5", "0.6")
    with pytest.raises(CorrectionRefused, match="waits for no review"):
        approve(store, event_id)
    with pytest.raises(CorrectionRefused, match="waits for no review"):
        reject(store, event_id)
    with pytest.raises(EventNotFound):
        approve(store, "nothing")
    with pytest.raises(EventNotFound):
        reject(store, "nothing")


def test_settled_once(store):
    """The same settlement again changes nothing; another status or reference is a conflict."""
    first, second = register(store, "0.5", "0.6", "0.7")
    assert unsettled(store) == [1, 2]
    done = settle(store, first, "0xabc", actor="payer")
    assert (done["status"], done["reference"], done["sequence"]) == ("paid", "0xabc", 1)
    assert settle(store, first, "0xabc") == done
    with pytest.raises(CorrectionRefused, match="already, as paid with reference '0xabc'"):
        settle(store, first, "0xdef")
    with pytest.raises(CorrectionRefused, match="already, as paid"):
        settle(store, first, "0xabc", "rejected")
    settle(store, second, "no account", "rejected")
    assert states(store) == ["settled", "settled"]
    assert unsettled(store) == []
    assert_sound(store)


def test_settled_and_revoked(store):
    """What was paid and then revoked is revoked; a payment that was under way is still told."""
    first, second = register(store, "0.5", "0.6", "0.7")
    settle(store, second, "0x2")
    revocation = revoke(store, second)
    revoke(store, first)
    assert settle(store, first, "0x1")["state"] == "revoked"
    assert states(store) == ["revoked", "revoked", "recorded", "recorded"]
    assert unsettled(store) == []
    with pytest.raises(CorrectionRefused, match="is a correction"):
        settle(store, revocation["id"])
    with pytest.raises(EventNotFound):
        settle(store, "nothing")
    assert_sound(store)


@pytest.mark.parametrize("reference", ["", " 0x1", "0x1 ", "a\nb", "x" * 257, "\0"])
def test_references(store, reference):
    """A reference is printable, and bounded."""
    (event_id,) = register(store, "0.5", "0.6")
    with pytest.raises(InvalidRequest, match="reference"):
        settle(store, event_id, reference)
    assert unsettled(store) == [1]


def test_unsettled_for_long(store):
    """Only what is older than asked for."""
    register(store, "0.5", "0.6")
    assert unsettled(store, older_than_ms=3_600_000) == []


def test_revoked_before_it_was_sent(store):
    """An event that was revoked before it was delivered is not sent; its revocation is."""
    (event_id,) = register(store, "0.5", "0.6")
    revocation = revoke(store, event_id)
    assert deliver(store) == [revocation["id"]]
    with store.engine.begin() as connection:
        assert replays.replay(connection, "default", event_id, 0)
    assert deliver(store) == []
    assert_sound(store)


def test_by_state_and_time(store, monkeypatch):
    """The feed by state and since a time; where few fit, the answer ends early and says where."""
    ids = register(store, "0.5", "0.6", "0.7", "0.8")
    settle(store, ids[1])
    found = store.ask(list_events, state="settled")
    assert [event["id"] for event in found["reward_events"]] == [ids[1]]
    assert found["states"] == {ids[1]: "settled"}
    last = events(store)[-1]["timestamp"]
    assert store.ask(list_events, since=last + 1)["reward_events"] == []
    assert len(store.ask(list_events, since=0, state="recorded")["reward_events"]) == 2
    monkeypatch.setattr(reward_events, "MAX_SCANNED", 1)
    page = store.ask(list_events, state="settled")
    assert (page["reward_events"], page["next_after"]) == ([], 1)
    assert store.ask(list_events, after=1, state="settled")["reward_events"][0]["id"] == ids[1]
    with pytest.raises(Exception, match="state"):
        store.ask(list_events, state="lost")


CHANGES = {
    "verdict gone": ("DELETE FROM hokusai_reward_reviews WHERE step = 'decided'", "review_differs"),
    "never asked": ("DELETE FROM hokusai_reward_reviews WHERE step = 'asked'", "review_differs"),
    "no review at all": ("DELETE FROM hokusai_reward_reviews", None),
    "verdict": ("UPDATE hokusai_reward_reviews SET verdict = 'rejected'", "review_differs"),
    "settlement gone": ("DELETE FROM hokusai_reward_settlements", "settlement_differs"),
    "settlement": ("UPDATE hokusai_reward_settlements SET reference = 'y'", "settlement_edited"),
    "of another": ("UPDATE hokusai_reward_settlements SET event_id = 'y'", "settlement_differs"),
    "count": ("UPDATE hokusai_reward_ledgers SET settled_count = 2", "settlement_differs"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tampering(reviewed, change):
    """A review or a settlement that was edited or deleted is named."""
    (event_id,) = register(reviewed)
    approve(reviewed, event_id)
    settle(reviewed, event_id)
    assert_sound(reviewed)
    statement, code = CHANGES[change]
    run_sql(reviewed, statement)
    assert code is None or code in {found for _sequence, found in codes(reviewed)}
