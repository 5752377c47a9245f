"""R10: what a reward rests on cannot change any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event, text
from support.index import assert_index_is_truth
from support.refusals import registry_rows
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.requests import As
from support.rewards import (
    assert_sound,
    decision,
    detect,
    events,
    outcome,
    outcomes,
    paid,
    rebase,
    revoke,
)

from hokusai_mlflow_plugin.store.session import HokusaiSession

DIRECTION = "benchmark_direction"
ADDRESS = "0x" + 40 * "a"
OTHER_ADDRESS = "0x" + 40 * "b"
SHARES = f'[{{"address": "{ADDRESS}", "weight": 10000}}]'

AMENDMENTS = {TOKEN: "IMG-002", METRIC: "recall", VALUE: "0.99", DIRECTION: "maximize"}
"""Another valid value for each tag that a decision rests on."""


@contextmanager
def locked(store: Any, *texts: str) -> Iterator[None]:
    """The block's write conflicts with a reward, says so and what to do, and changes no row."""
    before = registry_rows(store.engine)
    with pytest.raises(MlflowException) as caught:
        yield
    error = caught.value
    assert error.error_code == "RESOURCE_CONFLICT"
    assert error.get_http_status_code() == 409
    assert isinstance(error, ValueError)
    for each in ("a DeltaOne rests on this version", "Register a new version instead", *texts):
        assert each in error.message
    assert registry_rows(store.engine) == before


@pytest.fixture
def rewarded(store):
    """A store whose model has a baseline (1), a DeltaOne (2) and one below the threshold (3)."""
    create_version(store, tags=token_tags(contributor="alice"))
    create_version(store, tags=token_tags(**{VALUE: "0.87"}, contributor=ADDRESS))
    create_version(store, tags=token_tags(**{VALUE: "0.872"}))
    assert outcomes(store, versions=3) == ["baseline", "achieved", "below_threshold"]
    return store


@pytest.mark.parametrize("version", [1, 2])
def test_required_tags_are_locked(rewarded, version):
    """Neither a DeltaOne nor what it was measured against can be amended; the tag that was written
    is named, and no other.
    """
    for key, value in AMENDMENTS.items():
        with locked(rewarded, f"Model 'model' version {version}", f"so its {key} cannot change"):
            set_tag(rewarded, "model", version, key, value)
    for key in (TOKEN, METRIC, VALUE):
        with locked(rewarded, key):
            rewarded.delete_model_version_tag("model", str(version), key)
    assert_sound(rewarded)


def test_the_same_number_in_other_words_is_locked_too(rewarded):
    """A locked tag keeps its text."""
    with locked(rewarded, VALUE):
        set_tag(rewarded, "model", 2, VALUE, "0.870")


def test_writing_what_is_there_changes_nothing(rewarded):
    """A client that repeats a tag's value gets no error: nothing would change."""
    before = registry_rows(rewarded.engine)
    for key, value in token_tags(**{VALUE: "0.87"}, contributor=ADDRESS).items():
        set_tag(rewarded, "model", 2, key, value)
    assert registry_rows(rewarded.engine) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contributor", OTHER_ADDRESS),
        ("contributor_address", ADDRESS),
        ("contributors", SHARES),
    ],
)
def test_contributors_of_a_reward_are_locked(rewarded, key, value):
    """Who earned a DeltaOne is settled with it."""
    with locked(rewarded, key):
        set_tag(rewarded, "model", 2, key, value)


def test_contributor_of_a_reward_is_not_deleted(rewarded):
    """Nor can the tag go."""
    with locked(rewarded, "contributor"):
        rewarded.delete_model_version_tag("model", "2", "contributor")


def test_contributor_cannot_be_claimed_afterwards(store):
    """A DeltaOne that named nobody stays nobody's."""
    create_version(store)
    create_version(store, tags=token_tags(**{VALUE: "0.87"}))
    with locked(store, "contributor"):
        set_tag(store, "model", 2, "contributor", ADDRESS)
    assert events(store)[0]["data"]["contributors"] == []


def test_contributors_of_the_baseline_are_free(rewarded):
    """Nobody was paid for the baseline, so its contributor may change; its value may not."""
    set_tag(rewarded, "model", 1, "contributor", OTHER_ADDRESS)
    rewarded.delete_model_version_tag("model", "1", "contributor")
    set_tag(rewarded, "model", 1, "contributors", SHARES)
    assert_sound(rewarded)


def test_other_tags_are_free(rewarded):
    """Only what the decision rests on is locked."""
    for version in (1, 2):
        set_tag(rewarded, "model", version, "gpu", "A100")
        rewarded.delete_model_version_tag("model", str(version), "gpu")


@pytest.mark.parametrize(("key", "value"), AMENDMENTS.items())
def test_what_no_reward_rests_on_is_free(rewarded, key, value):
    """A version that neither earned anything nor was measured against can be amended."""
    set_tag(rewarded, "model", 3, key, value)
    assert len(detect(rewarded)["history"]) == 1
    assert_sound(rewarded)


def test_an_amended_baseline_takes_its_head_along(store):
    """R10: until a DeltaOne is measured against a baseline its owner mends it, and the head follows
    it down; what comes next is measured against the mended value.
    """
    create_version(store, tags=token_tags(**{VALUE: "0.999"}))
    set_tag(store, "model", 1, VALUE, "0.84")
    assert outcome(store) == "baseline"
    assert decision(store)["reason"] == (
        "accuracy 0.84 takes back 0.999, which this version had before: the head goes down by 15.9 "
        "percentage points, because nothing was measured against it."
    )
    create_version(store, "second", token_tags(**{VALUE: "0.86"}))
    assert decision(store, "second")["baseline"] == {
        "name": "model",
        "version": "1",
        "value": "0.84",
    }
    assert paid(store) == [("second", "1", "2")]
    assert_sound(store)


def test_a_mended_baseline_stops_at_what_is_there(store):
    """R10: the head falls to the best value that is left, so that nobody earns what was there."""
    create_version(store, tags=token_tags(**{VALUE: "0.999"}))
    create_version(store, "second", token_tags(**{VALUE: "0.86"}))
    with As("alice"):
        set_tag(store, "model", 1, VALUE, "0.5")
    assert (outcome(store), outcome(store, "second")) == ("regressed", "baseline")
    begun = decision(store, "second")
    assert (begun["unit"], begun["actor"]) == ("proportion", "alice")
    assert begun["reason"] == (
        "The head goes down to 0.86: the version that held it with 0.999 was amended, and nothing "
        "was measured against that."
    )
    create_version(store, "third", token_tags(**{VALUE: "0.86"}))
    assert paid(store) == []
    assert_sound(store)


@pytest.mark.parametrize("other", ["0.86", "0.865"])
def test_a_mended_baseline_never_raises_the_head(store, other):
    """R10: where another version has the value, or up to a point more, the head stays as it is."""
    create_version(store, tags=token_tags(**{VALUE: "0.86"}))
    create_version(store, "second", token_tags(**{VALUE: other}))
    set_tag(store, "model", 1, VALUE, "0.5")
    assert (outcome(store), outcome(store, "second")) == ("regressed", "below_threshold")
    assert decision(store)["baseline"]["value"] == "0.86"
    create_version(store, "third", token_tags(**{VALUE: "0.87"}))
    assert paid(store) == [("third", "1", "1")]
    assert_sound(store)


@pytest.mark.parametrize(
    ("mended", "head"),
    [("0.861", ("model", "0.861")), ("0.86", ("second", "0.86")), ("0.859", ("second", "0.86"))],
)
def test_who_holds_the_head_after_a_mended_value(store, mended, head):
    """R10: the owner while the mended value is the best by itself, else who has the best one."""
    create_version(store, tags=token_tags(**{VALUE: "0.999"}))
    create_version(store, "second", token_tags(**{VALUE: "0.86"}))
    set_tag(store, "model", 1, VALUE, mended)
    create_version(store, "third", token_tags(**{VALUE: "0.862"}))
    found = decision(store, "third")["baseline"]
    assert (found["name"], found["value"]) == head
    assert paid(store) == []
    assert_sound(store)


@pytest.mark.parametrize(
    "tags_of_source",
    [{METRIC: "uplift", DIRECTION: "maximize"}, {METRIC: "uplift"}],
    ids=["compared", "of-unknown-direction"],
)
def test_a_value_that_is_mended_to_that_of_its_source(store, tags_of_source):
    """R10: the head follows a value down as well where its version is a copy from then on."""
    create_version(store, "source", {})
    tags = token_tags(**{METRIC: "uplift", DIRECTION: "maximize", VALUE: "0.96"})
    create_version(store, "copy", tags, source="models:/source/1")
    for key, value in token_tags(**tags_of_source, **{VALUE: "0.6"}).items():
        set_tag(store, "source", 1, key, value)
    set_tag(store, "copy", 1, VALUE, "0.6")
    assert outcome(store, "copy") == "copy"
    create_version(store, "third", {**tags, VALUE: "0.605"})
    found = decision(store, "third")["baseline"]
    assert (found["name"], found["value"]) == ("source", "0.6")
    assert paid(store) == []
    assert_sound(store)


def test_a_copy_of_what_was_revoked_is_no_baseline(store):
    """Its value counts as little as its source's: the head stays, and it is a copy."""
    create_version(store, "source", {})
    tags = token_tags(**{VALUE: "0.5"})
    create_version(store, "copy", tags, source="models:/source/1")
    for key, value in token_tags(**{VALUE: "0.6"}).items():
        set_tag(store, "source", 1, key, value)
    revoke(store, events(store)[0]["id"])
    for value in ("0.7", "0.6"):
        set_tag(store, "copy", 1, VALUE, value)
    assert outcome(store, "copy") == "copy"
    create_version(store, "third", token_tags(**{VALUE: "0.7"}))
    assert decision(store, "third")["baseline"]["value"] == "0.7"
    assert outcome(store, "third") == "below_threshold"
    assert_sound(store)


@pytest.mark.parametrize("by", ["its owner", "an administrator"])
def test_what_the_head_fell_to_cannot_be_mended_for_a_reward(store, store_factory, by):
    """R13: what came in while rewards were off stays the value to beat, also where a typing error
    of another version was above it.
    """
    create_version(store, "typo", token_tags(**{VALUE: "0.999"}))
    off = store_factory(HOKUSAI_REWARDS="off")
    create_version(off, "imported", token_tags(**{VALUE: "0.9"}))
    if by == "its owner":
        set_tag(store, "typo", 1, VALUE, "0.1")
    else:
        store.delete_model_version("typo", "1")
        rebase(store, "IMG-001", "accuracy")
    set_tag(store, "imported", 1, VALUE, "0.5")
    create_version(store, "third", token_tags(**{VALUE: "0.9"}))
    assert decision(store, "third")["baseline"]["value"] == "0.9"
    assert outcome(store, "third") == "below_threshold"
    assert_sound(store)


def test_the_past_cannot_be_mended_for_a_reward(stock_database_uri, store_factory):
    """R13: what was there before the plugin stays the value to beat, whatever it is amended to."""
    create_version(SqlAlchemyStore(stock_database_uri), tags=token_tags(**{VALUE: "0.9"}))
    store = store_factory()
    set_tag(store, "model", 1, VALUE, "0.5")
    create_version(store, tags=token_tags(**{VALUE: "0.9"}))
    assert paid(store) == []
    assert_sound(store)


@pytest.mark.parametrize("key", [TOKEN, METRIC, VALUE])
def test_what_was_amended_before_the_lock_does_not_come_back(store, key):
    """R10: the lock holds what the tags said when it came, not what was measured against."""
    first = {**token_tags(), VALUE: "0.5"}
    create_version(store, "a", first)
    amended = {**first, key: {TOKEN: "OTHER-1", METRIC: "recall", VALUE: "0.4"}[key]}
    set_tag(store, "a", 1, key, amended[key])
    create_version(store, "b", {**first, VALUE: "0.6"})
    # A mended value takes its head along; a version that went to another series leaves it.
    assert paid(store) == [("b", "1", "20" if key == VALUE else "10")]
    back = {**first, METRIC: "accuracy_score"}
    for each in (TOKEN, METRIC, VALUE):
        if back[each] != amended[each]:
            with locked(store, each):
                set_tag(store, "a", 1, each, back[each])
    assert_index_is_truth(store)
    assert_sound(store)


def test_an_amendment_that_achieves_locks(store):
    """A version that became a DeltaOne by an amendment is locked like any other."""
    create_version(store)
    create_version(store, tags=token_tags(**{VALUE: "0.855"}))
    set_tag(store, "model", 2, VALUE, "0.86")
    with locked(store, VALUE):
        set_tag(store, "model", 2, VALUE, "0.89")
    assert paid(store) == [("model", "2", "1")]


def test_locked_also_under_another_name(rewarded):
    """A rename takes the lock along."""
    rewarded.rename_registered_model("model", "renamed")
    for version in (1, 2):
        with locked(rewarded, f"Model 'renamed' version {version}"):
            set_tag(rewarded, "renamed", version, VALUE, "0.99")


def test_a_lock_of_a_deleted_model_does_not_return(rewarded):
    """A new model of the old name and number starts free."""
    rewarded.delete_registered_model("model")
    create_version(rewarded, tags=token_tags(**{VALUE: "0.80"}))
    set_tag(rewarded, "model", 1, VALUE, "0.81")
    assert outcome(rewarded) == "regressed"
    assert_sound(rewarded)


def test_a_copy_of_a_reward_is_free(rewarded):
    """Nothing rests on a copy."""
    rewarded.copy_model_version(rewarded.get_model_version("model", "2"), "copy")
    set_tag(rewarded, "copy", 1, "contributor", OTHER_ADDRESS)
    set_tag(rewarded, "copy", 1, VALUE, "0.80")
    assert outcome(rewarded, "copy") == "regressed"
    assert_sound(rewarded)


def test_a_rewarded_version_can_be_deleted(rewarded):
    """The event outlives the version, and the head stays where it is."""
    before = events(rewarded)
    rewarded.delete_model_version("model", "2")
    rewarded.delete_registered_model("model")
    assert events(rewarded) == before
    create_version(rewarded, tags=token_tags(**{VALUE: "0.87"}))
    assert outcome(rewarded) == "below_threshold"
    assert_sound(rewarded)


@pytest.mark.parametrize("key", [VALUE, TOKEN])
def test_amending_the_baseline_while_a_reward_is_on_its_way(store_factory, key):
    """Whoever comes first, an amendment never changes what a committed reward was measured against.

    Writers race, round by round, each round in a token of its own.
    """
    amending, improving = store_factory(), store_factory()
    for attempt in range(12):
        token, name = f"RACE-{attempt}", f"model-{attempt}"
        create_version(amending, name, token_tags(**{TOKEN: token}))
        new = {VALUE: "0.84", TOKEN: f"ELSE-{attempt}"}[key]
        refused = _race(
            lambda: set_tag(amending, name, 1, key, new),  # noqa: B023  # both end in this round
            lambda: create_version(
                improving,
                f"{name}-b",  # noqa: B023
                token_tags(**{TOKEN: token, VALUE: "0.87"}),  # noqa: B023
            ),
        )
        tags = amending.get_model_version(name, "1").tags
        assert [event["token_id"] for event in events(amending)][-1:] == [token]
        if refused:
            assert "a DeltaOne rests on this version" in refused[0]
            assert tags[key] == token_tags(**{TOKEN: token})[key]
        else:
            assert tags[key] == new
            assert decision(amending, name)["value"] == tags[VALUE].rstrip("0")
    assert_sound(amending)


@pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
def test_an_amendment_waits_for_a_reward_that_is_under_way(store_factory):
    """While a DeltaOne that was measured against a version is written but not committed, an
    amendment of that version waits, and then is refused.
    """
    amending, improving = store_factory(), store_factory()
    create_version(amending)
    create_version(amending, "second", token_tags(**{VALUE: "0.80"}))
    amendments: list[Future[Any]] = []

    def amend(session: Any) -> None:
        is_rewarded = session.scalar(text("SELECT count(*) FROM hokusai_reward_events"))
        if is_rewarded and not amendments:
            amendments.append(pool.submit(set_tag, amending, "model", 1, VALUE, "0.84"))
            wait(amendments, timeout=1)  # it cannot end; were there no lock, it would

    with ThreadPoolExecutor(1) as pool:
        event.listen(HokusaiSession, "before_commit", amend)
        try:
            create_version(improving, "second", token_tags(**{VALUE: "0.87"}))
        finally:
            event.remove(HokusaiSession, "before_commit", amend)
    (amendment,) = amendments
    error = amendment.exception()
    assert isinstance(error, MlflowException)
    assert error.error_code == "RESOURCE_CONFLICT"
    assert paid(amending) == [("second", "2", "2")]
    assert_sound(amending)


def _race(amend: Callable[[], Any], improve: Callable[[], Any]) -> list[str]:
    """Run both at once; what the amendment was refused with, if it was. The other must succeed."""
    start = threading.Barrier(2)

    def run(write: Callable[[], Any]) -> None:
        start.wait()
        write()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(run, amend), pool.submit(run, improve)
    second.result()
    error = first.exception()
    if error is None:
        return []
    assert isinstance(error, MlflowException)
    assert error.error_code == "RESOURCE_CONFLICT"
    return [error.message]
