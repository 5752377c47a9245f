"""R19: what an administrator corrects, and that what is paid stays the way to the head."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.damage import run_sql
from support.registry import METRIC, VALUE, create_version, set_tag, token_tags
from support.rewards import (
    assert_sound,
    codes,
    decided_rows,
    detect,
    events,
    name_payees,
    outcome,
    outcomes,
    rebase,
    revoke,
    settle,
)

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.errors import (
    CorrectionRefused,
    EventNotFound,
    InvalidRequest,
    SeriesNotFound,
)
from hokusai_mlflow_plugin.services.index import backfill
from hokusai_mlflow_plugin.services.queries.tokens import get_token
from hokusai_mlflow_plugin.store.registry_store import build_store

ADA, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20
UP = {"benchmark_direction": "maximize"}
SHARES = json.dumps([{"address": ADA, "weight": 2500}, {"address": BOB, "weight": 7500}])


def register(store: Any, value: str, name: str = "model", **tags: str) -> int:
    created = create_version(store, name, token_tags(**{VALUE: value}, **tags))
    return int(created.version)


def earned(store: Any) -> dict[str, list[tuple[int, str]]]:
    """What each payee earned: count and points."""
    return {
        person["contributor_address"]: [
            (each["deltaone_count"], each["improvement_pp"]) for each in person["improvements"]
        ]
        for person in store.ask(get_token, "IMG-001")["token"]["contributors"]
    }


@pytest.fixture
def ledger(store: Any) -> Any:
    """A baseline and two DeltaOnes of Ada's: 0.5, 0.6, 0.9."""
    for value in ("0.5", "0.6", "0.9"):
        register(store, value, contributor_address=ADA)
    return store


def ids(store: Any) -> list[str]:
    return [event["id"] for event in events(store)]


def test_a_revoked_deltaone(ledger):
    """The head goes back, the version says so and counts for nothing, its payees lose it."""
    event = revoke(ledger, ids(ledger)[1], "typed 0.9 for 0.65")
    assert event["type"] == "hokusai.deltaone.revoked"
    assert event["data"]["event"] == {"id": ids(ledger)[1], "sequence": 2}
    assert event["data"]["reason"] == "typed 0.9 for 0.65"
    assert event["data"]["improvement_pp"] == "30"
    assert [each["address"] for each in event["data"]["contributors"]] == [ADA]
    assert outcomes(ledger, versions=3) == ["baseline", "achieved", "revoked"]
    assert "typed 0.9 for 0.65" in detect(ledger, version=3)["decision"]["reason"]
    assert ledger.get_model_version("model", "3").tags[VALUE] == "0.9"
    assert earned(ledger) == {ADA: [(1, "10")]}
    assert_sound(ledger)


def test_registered_again(ledger):
    """What is right is a new version; its event has an id of its own, over the same value."""
    first = events(ledger)[1]
    revoke(ledger, first["id"])
    register(ledger, "0.65", contributor_address=BOB)
    again = events(ledger)[-1]
    assert again["data"]["baseline"] == first["data"]["baseline"]
    assert again["id"] != first["id"]
    assert earned(ledger) == {ADA: [(1, "10")], BOB: [(1, "5")]}
    assert_sound(ledger)


def test_only_the_latest_that_stands(ledger):
    """One that another was measured against is refused, and the message names that one."""
    first, second = ids(ledger)
    with pytest.raises(CorrectionRefused, match=second):
        revoke(ledger, first)
    revoked = revoke(ledger, second)
    with pytest.raises(CorrectionRefused, match="revoked already"):
        revoke(ledger, second)
    with pytest.raises(CorrectionRefused, match=f"correction itself.*{second}"):
        revoke(ledger, revoked["id"])
    revoke(ledger, first)
    assert outcomes(ledger, versions=3) == ["baseline", "revoked", "revoked"]
    assert earned(ledger)[ADA] == []
    register(ledger, "0.52")
    assert events(ledger)[-1]["data"]["baseline"]["value"] == "0.5"
    assert_sound(ledger)


@pytest.mark.parametrize("reason", ["", " \n", "x" * 1001, "a\0b"])
def test_reasons(ledger, reason):
    """A reason is needed, and bounded; nothing is written without one."""
    with pytest.raises(InvalidRequest, match="reason"):
        revoke(ledger, ids(ledger)[1], reason)
    assert len(ids(ledger)) == 2


def test_no_such_event(ledger):
    """An id that no event of the workspace has."""
    with pytest.raises(EventNotFound, match="nothing"):
        revoke(ledger, "nothing")


def test_a_revoked_version_stays_as_it_is(ledger):
    """Its tags stay locked: they are what the revoked event was made of."""
    revoke(ledger, ids(ledger)[1])
    with pytest.raises(MlflowException, match="Register a new version"):
        set_tag(ledger, "model", 3, VALUE, "0.7")
    ledger.delete_model_version("model", "3")
    ledger.delete_registered_model("model")
    assert_sound(ledger)


def test_a_baseline_that_was_too_low(store):
    """What a revoked DeltaOne was measured against can be mended again."""
    register(store, "0.05")
    register(store, "0.9")
    with pytest.raises(MlflowException):
        set_tag(store, "model", 1, VALUE, "0.85")
    revoke(store, ids(store)[0], "the baseline was 0.85")
    set_tag(store, "model", 1, VALUE, "0.85")
    register(store, "0.9")
    assert events(store)[-1]["data"]["improvement_pp"] == "5"
    assert_sound(store)


def test_renamed_and_deleted_models(ledger):
    """A DeltaOne can be revoked whatever became of its models."""
    register(ledger, "0.95", "other")
    ledger.rename_registered_model("other", "renamed")
    ledger.delete_registered_model("model")
    assert revoke(ledger, ids(ledger)[2])["data"]["name"] == "other"
    assert outcome(ledger, "renamed") == "revoked"
    revoke(ledger, ids(ledger)[1])
    register(ledger, "0.7", "renamed")
    assert events(ledger)[-1]["data"]["improvement_pp"] == "10"
    assert_sound(ledger)


@pytest.fixture
def backed(database_uri):
    """A store that asks the tracking server about runs."""
    return build_store(f"hokusai+{database_uri}", database_uri)


@pytest.fixture
def run_id(database_uri):
    """A run that logged an accuracy of 0.9."""
    client = MlflowClient(tracking_uri=database_uri)
    run_id = client.create_run(client.create_experiment("runs", "artifacts")).info.run_id
    client.log_metric(run_id, "accuracy", 0.9)
    return run_id


def test_a_run_is_given_back(backed, run_id):
    """R14: no paid event rests on the run of a revoked one, so it can back the next."""
    register(backed, "0.5")
    for _twice in range(2):
        create_version(backed, tags=token_tags(**{VALUE: "0.9"}), run_id=run_id)
        assert events(backed)[-1]["data"]["evidence"] == "run_backed"
        revoke(backed, events(backed)[-1]["id"])
        assert_sound(backed)


def test_payees(store):
    """Who is named is paid the whole step, and loses it with the event."""
    register(store, "0.5")
    register(store, "0.9", contributor="somebody")
    (achieved,) = ids(store)
    assert earned(store) == {}
    event = name_payees(store, achieved, SHARES)
    assert event["type"] == "hokusai.deltaone.payees_named"
    assert [each["weight"] for each in event["data"]["contributors"]] == [2500, 7500]
    assert_sound(store)
    with pytest.raises(CorrectionRefused, match="has payees already"):
        name_payees(store, achieved, SHARES)
    revoked = revoke(store, achieved)
    assert revoked["data"]["contributors"] == event["data"]["contributors"]
    with pytest.raises(CorrectionRefused, match="revoked already"):
        name_payees(store, achieved, SHARES)
    assert_sound(store)


@pytest.mark.parametrize(
    "contributors",
    [
        "alice",
        "[]",
        json.dumps([{"address": "alice", "weight": 10000}]),
        json.dumps([{"address": "0x" + 40 * "0", "weight": 10000}]),
        json.dumps([{"address": ADA, "weight": 9999}]),
    ],
)
def test_payees_who_cannot_be_paid(store, contributors):
    """Payees follow R11, and every one of them can be paid."""
    register(store, "0.5")
    register(store, "0.9")
    with pytest.raises(InvalidRequest):
        name_payees(store, ids(store)[0], contributors)
    assert len(ids(store)) == 1


def test_a_typo_as_baseline(store):
    """The version with the typo goes, and the series begins with the best value left."""
    register(store, "0.999")
    register(store, "0.85")
    register(store, "0.87")
    with pytest.raises(CorrectionRefused, match="Version 1 of model 'model' still has"):
        rebase(store, "IMG-001", "accuracy")
    store.delete_model_version("model", "1")
    event = rebase(store, "IMG-001", "accuracy", "0.999 was a typo")
    assert event["type"] == "hokusai.series.rebased"
    assert (event["data"]["value"], event["data"]["previous"]["value"]) == ("0.87", "0.999")
    assert outcome(store, version=3) == "baseline"
    register(store, "0.9")
    assert events(store)[-1]["data"]["improvement_pp"] == "3"
    with pytest.raises(CorrectionRefused, match="was earned: revoke event"):
        rebase(store, "IMG-001", "accuracy")
    assert_sound(store)


def mistype(store: Any, database_uri: str) -> None:
    """Have a head of 0.99 that a stock server wrote, and whose model is gone."""
    create_version(SqlAlchemyStore(database_uri), "past", token_tags(**{VALUE: "0.99"}))
    set_tag(store, "past", 1, "contributor", "somebody")
    store.delete_registered_model("past")


@pytest.fixture
def mistyped(ledger, database_uri):
    """The ledger with such a head."""
    mistype(ledger, database_uri)
    return ledger


def test_no_lower_than_what_was_earned(mistyped):
    """A correction stops at the latest DeltaOne that stands, also where its version is gone."""
    mistyped.delete_model_version("model", "3")
    assert rebase(mistyped, "IMG-001", "accuracy")["data"]["value"] == "0.9"
    register(mistyped, "0.909")
    assert outcome(mistyped) == "below_threshold"
    assert_sound(mistyped)


@pytest.mark.parametrize(("better", "head"), [("0.9", "0.9"), ("0.905", "0.905")])
def test_no_lower_than_what_is_left(mistyped, better, head):
    """It stops at a better version that earned nothing, too."""
    register(mistyped, better, "left")
    assert rebase(mistyped, "IMG-001", "accuracy")["data"]["value"] == head
    register(mistyped, "0.914", "next")
    assert outcome(mistyped, "next") == ("achieved" if head == "0.9" else "below_threshold")
    assert_sound(mistyped)


def test_the_decision_that_corrects(mistyped, database_uri):
    """It tells what it lowers, by whom, why, when and by what it measures; what comes after tells
    how often the head has fallen.
    """
    before = {row["decision_id"]: row for row in decided_rows(mistyped)}
    (typed,) = [row for row in before.values() if row["value"] == "0.99"]
    rebase(mistyped, "IMG-001", "accuracy", "typed", "grace")
    (lowered,) = [row for row in decided_rows(mistyped) if row["decision_id"] not in before]
    told = {
        "reason": "The head goes down from 0.99 to 0.9, the best value left, by an administrator's "
        "correction: typed",
        "outcome": "baseline",
        "direction": "maximize",
        "unit": "proportion",
        "threshold_pp": "1",
        "actor": "grace",
        "falls": 1,
        "baseline_decision_id": typed["decision_id"],
        "baseline_value": "0.99",
    }
    assert {key: lowered[key] for key in told} == told
    assert isinstance(lowered["decided_time"], int)
    assert lowered["decided_time"] >= typed["decided_time"]
    create_version(SqlAlchemyStore(database_uri), "past", token_tags(**{VALUE: "0.97"}))
    list(backfill.rebuild(mistyped.engine, BUILT_IN))
    (raised,) = [row for row in decided_rows(mistyped) if row["value"] == "0.97"]
    assert (raised["outcome"], raised["falls"]) == ("baseline", 1)
    assert_sound(mistyped)


def test_a_copy_as_baseline(store, database_uri):
    """A copy that is all that is left holds the head, and stays a copy."""
    register(store, "0.5")
    store.copy_model_version(store.get_model_version("model", "1"), "copies")
    store.delete_registered_model("model")
    mistype(store, database_uri)
    assert rebase(store, "IMG-001", "accuracy")["data"]["name"] == "copies"
    assert outcome(store, "copies") == "copy"
    assert_sound(store)


def test_a_baseline_keeps_its_evidence(backed, run_id):
    """R14: what backs a value still backs it when the series begins with it anew."""
    register(backed, "0.999", "typed")
    create_version(backed, tags=token_tags(**{VALUE: "0.9"}), run_id=run_id)
    backed.delete_registered_model("typed")
    rebase(backed, "IMG-001", "accuracy")
    begun = detect(backed)["decision"]
    assert (begun["outcome"], begun["evidence"], begun["logged_value"]) == (
        "baseline",
        "run_backed",
        "0.9",
    )
    assert_sound(backed)


def test_nothing_left_to_rebase_on(store):
    """Without a version left it is refused, and says what to do."""
    register(store, "0.999")
    with pytest.raises(SeriesNotFound):
        rebase(store, "IMG-001", "recall")
    store.delete_registered_model("model")
    with pytest.raises(CorrectionRefused, match="Register one with the right value first"):
        rebase(store, "IMG-001", "accuracy")
    register(store, "0.85", "other")
    assert outcome(store, "other") == "regressed"
    rebase(store, "IMG-001", "accuracy")
    assert outcome(store, "other") == "baseline"
    assert_sound(store)


def test_by_any_name_of_the_metric(store):
    """R8: a metric's aliases name its one series."""
    create_version(store, tags=token_tags(**{VALUE: "0.999", METRIC: "accuracy_score"}))
    register(store, "0.8", "other")
    store.delete_registered_model("model")
    assert rebase(store, "IMG-001", "accuracy_score")["data"]["benchmark_metric"] == "accuracy"


def test_a_revoked_version_is_no_baseline(ledger):
    """What was revoked is not the best value left, also when its model is all that there is."""
    revoke(ledger, ids(ledger)[1])
    revoke(ledger, ids(ledger)[0])
    ledger.delete_model_version("model", "1")
    with pytest.raises(CorrectionRefused, match="is left to begin with"):
        rebase(ledger, "IMG-001", "accuracy")
    register(ledger, "0.4")
    assert rebase(ledger, "IMG-001", "accuracy")["data"]["value"] == "0.4"
    assert_sound(ledger)


def test_other_spellings(store):
    """An event and a series are found by what they are called alone, also where the database finds
    them by a name with blanks behind it (MySQL).
    """
    create_version(store, tags=token_tags(**{VALUE: "0.5", METRIC: "uplift"}, **UP))
    create_version(store, tags=token_tags(**{VALUE: "0.6", METRIC: "uplift"}, **UP))
    (achieved,) = ids(store)
    for other in (f"{achieved} ", achieved.upper()):
        for change in (
            lambda other=other: revoke(store, other),
            lambda other=other: name_payees(store, other, SHARES),
            lambda other=other: settle(store, other),
        ):
            with pytest.raises(EventNotFound):
                change()
    revoke(store, achieved)
    create_version(store, tags=token_tags(**{VALUE: "0.4", METRIC: "uplift"}, **UP))
    store.delete_model_version("model", "1")
    with pytest.raises(SeriesNotFound):
        rebase(store, "IMG-001", "uplift ")
    rebase(store, "IMG-001", "uplift")
    assert_sound(store)


CHANGES = {
    "reason": ("UPDATE hokusai_reward_corrections SET reason = 'x'", "correction_differs"),
    "row gone": ("DELETE FROM hokusai_reward_corrections", "correction_missing"),
    "falls": ("UPDATE hokusai_series SET falls = 7", "head_differs"),
    "head": (
        "UPDATE hokusai_series SET head_value = '0.9', head_decision_id = (SELECT decision_id "
        "FROM hokusai_decisions WHERE outcome = 'achieved' AND value = '0.9')",
        "head_differs",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tampering(ledger, change):
    """What was kept of a correction, and where it put the head, is checked."""
    revoke(ledger, ids(ledger)[1])
    statement, code = CHANGES[change]
    run_sql(ledger, statement)
    assert code in {found for _sequence, found in codes(ledger)}
