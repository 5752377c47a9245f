"""No cost grows with how often a version was amended."""

from __future__ import annotations

import json

import pytest
from mlflow.exceptions import MlflowException
from support.histories import amend_often
from support.registry import TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import detect, outcome
from support.statements import sent_parameters

from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.queries import deltaone

AMENDED = 2500


def _amend(store, value):
    with sent_parameters(store.engine) as sent:
        set_tag(store, "model", 1, VALUE, value)
    return sent


def test_an_amendment_costs_the_same_after_thousands(store):
    """As many statements, each with as many parameters, as the first amendment of a version."""
    create_version(store, "best", token_tags(**{VALUE: "0.9"}))  # else it would lower its own head
    create_version(store)
    set_tag(store, "model", 1, VALUE, "0.83")
    first = _amend(store, "0.82")
    amend_often(store, AMENDED)
    assert _amend(store, "0.84") == first
    assert outcome(store) == "regressed"


def test_one_that_goes_from_token_to_token_costs_the_same(store):
    """A version that began many series locks those that it is in and comes into, and no other."""
    create_version(store)
    counts = []
    for number in range(6):
        with sent_parameters(store.engine) as sent:
            set_tag(store, "model", 1, TOKEN, f"TOK-{number}")
        counts.append(sent)
    assert all(sent == counts[0] for sent in counts)


def test_a_lock_is_found_in_a_long_history(store):
    """A DeltaOne that was measured against any decision of the version locks it for good."""
    create_version(store)
    amend_often(store, AMENDED)
    create_version(store, "second", token_tags(**{VALUE: "0.9"}))
    with pytest.raises(MlflowException, match="a DeltaOne rests on this version"):
        set_tag(store, "model", 1, VALUE, "0.84")


def test_history_has_pages(store):
    """``deltaone/detect`` answers a page of superseded decisions, and all of them page by page."""
    create_version(store)
    amend_often(store, 250)
    answer = detect(store)
    assert len(answer["history"]) == 100
    assert len(json.dumps(answer)) < 64 * 1024
    found, token = [], None
    while True:
        page = store.ask(deltaone.detect, "model", max_results=60, page_token=token)
        assert page["decision"] == answer["decision"]
        found += page["history"]
        token = page.get("next_page_token")
        if token is None:
            break
    times = [each["decided_timestamp"] for each in found]
    assert len(found) == 250
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_last_page_is_the_last(store, count):
    """No page is empty but that of a version that was never amended."""
    create_version(store)
    amend_often(store, count)
    page = store.ask(deltaone.detect, "model", max_results=2)
    assert ("next_page_token" in page) == (count > 2)
    if count > 2:
        last = store.ask(
            deltaone.detect, "model", max_results=2, page_token=page["next_page_token"]
        )
        assert len(last["history"]) == count - 2
        assert "next_page_token" not in last


def test_pages_stay_with_their_version(store):
    """A newer version that comes meanwhile does not change what the next page is about."""
    create_version(store)
    amend_often(store, 3)
    token = store.ask(deltaone.detect, "model", max_results=2)["next_page_token"]
    create_version(store)
    page = store.ask(deltaone.detect, "model", max_results=2, page_token=token)
    assert (page["version"], len(page["history"])) == ("1", 1)
    with pytest.raises(MlflowException, match="page_token"):
        store.ask(deltaone.detect, "model", version=1, page_token=token)


def test_rebuild_finds_the_decision_in_force(store):
    """The decision in force is found again among thousands, also where a clock went back."""
    create_version(store)
    amend_often(store, AMENDED)
    set_tag(store, "model", 1, VALUE, "0.84")
    before = detect(store)["decision"]
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hokusai_token_index")
        connection.exec_driver_sql(
            "UPDATE hokusai_decisions SET decided_time = decided_time - 5000000 "
            "WHERE value = '0.84'"
        )
    for _report in maintenance.rebuild(store.engine, store.settings.catalogue):
        pass
    after = detect(store)["decision"]
    assert {**after, "decided_timestamp": 0} == {**before, "decided_timestamp": 0}
