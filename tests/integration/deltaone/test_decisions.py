"""R8 to R10: what is decided, on every path by which a version becomes tokenised."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from support.refusals import refused, registry_rows
from support.registry import METRIC, TOKEN, VALUE, create_model, create_version, set_tag, token_tags
from support.rewards import (
    assert_sound,
    decided_rows,
    decision,
    detect,
    events,
    faults,
    outcome,
    outcomes,
    paid,
)

from hokusai_mlflow_plugin.services.queries.tokens import get_token

DIRECTION = "benchmark_direction"
REQUIRED = (TOKEN, METRIC, VALUE)


def register(store: Any, value: str, name: str = "model", **others: str) -> Any:
    """A version that is tokenised from the start."""
    return create_version(store, name, token_tags(**{VALUE: value}, **others))


def test_small_steps_pay_when_they_add_up_to_a_point(store):
    """0.850, 0.855, 0.860: the third is one point above the head, which the second did not move."""
    for value in ("0.850", "0.855", "0.860"):
        register(store, value)
    assert outcomes(store, versions=3) == ["baseline", "below_threshold", "achieved"]
    assert decision(store)["baseline"] == {"name": "model", "version": "1", "value": "0.85"}
    assert paid(store) == [("model", "3", "1")]
    assert_sound(store)


def test_a_metric_that_falls(store):
    """rmse 0.15 → 0.13 is an improvement of two points, the specification's own example."""
    for value in ("0.15", "0.13", "0.14"):
        register(store, value, benchmark_metric="rmse")
    assert outcomes(store, versions=3) == ["baseline", "achieved", "regressed"]
    assert paid(store) == [("model", "2", "2")]
    assert_sound(store)


def test_baseline(store):
    """The first value of a series is its baseline: nothing to compare it with."""
    register(store, "0.8500")
    found = decision(store)
    assert found.pop("decided_timestamp") > 1_600_000_000_000
    assert found == {
        "outcome": "baseline",
        "direction": "maximize",
        "value": "0.85",
        "baseline": None,
        "improvement_pp": None,
        "reason": "It is the first accuracy of this token: 0.85.",
        "evidence": "claimed",
        "unit": "proportion",
        "threshold_pp": "1",
        "actor": None,
    }
    assert events(store) == []
    assert_sound(store)


def test_achieved(store):
    """The decision says what was compared with what, by how much it is better, and pays."""
    register(store, "0.85", name="first")
    register(store, "0.87", name="second", contributor="0x" + 40 * "a")
    found = detect(store, "second")
    found["decision"].pop("decided_timestamp")
    assert found == {
        "name": "second",
        "version": "1",
        "achieved": True,
        "decision": {
            "outcome": "achieved",
            "direction": "maximize",
            "value": "0.87",
            "baseline": {"name": "first", "version": "1", "value": "0.85"},
            "improvement_pp": "2",
            "reason": "accuracy 0.87 against 0.85 of first version 1: better by 2 percentage "
            "points; a DeltaOne needs 1.",
            "evidence": "claimed",
            "unit": "proportion",
            "threshold_pp": "1",
            "actor": None,
        },
        "history": [],
        "warnings": [],
    }
    assert paid(store) == [("second", "1", "2")]
    assert_sound(store)


@pytest.mark.parametrize(
    ("value", "expected", "points"),
    [
        ("0.859999999999999999", "below_threshold", "0.9999999999999999"),
        ("0.85", "below_threshold", "0"),
        ("0.849999999999999999", "regressed", "-0.0000000000000001"),
    ],
)
def test_not_achieved(store, value, expected, points):
    """Less than a point, and be it by 10⁻¹⁸, pays nothing and leaves the head where it was."""
    register(store, "0.85")
    register(store, value)
    found = decision(store)
    assert (found["outcome"], found["improvement_pp"]) == (expected, points)
    assert detect(store)["achieved"] is False
    register(store, "0.86")
    assert decision(store)["baseline"] == {"name": "model", "version": "1", "value": "0.85"}
    assert paid(store) == [("model", "3", "1")]
    assert_sound(store)


def test_values_are_no_floats(store):
    """0.29 → 0.28 is one point, though floats say 0.00999…"""
    register(store, "0.29", benchmark_metric="rmse")
    register(store, "0.28", benchmark_metric="rmse")
    assert outcome(store) == "achieved"
    assert_sound(store)


def test_series_are_apart(store):
    """Values are compared within a token and a metric, never across; case tells metrics apart
    that the catalogue does not know."""
    for token, metric in itertools.product(("IMG-001", "IMG-002"), ("accuracy", "recall")):
        register(store, "0.5", name=token, hokusai_token_id=token, benchmark_metric=metric)
    register(store, "0.9", benchmark_metric="Uplift", benchmark_direction="maximize")
    assert {row["outcome"] for row in decided_rows(store)} == {"baseline"}
    register(store, "0.1", benchmark_metric="uplift", benchmark_direction="maximize")
    assert {row["outcome"] for row in decided_rows(store)} == {"baseline"}
    assert len(decided_rows(store)) == 6
    assert_sound(store)


@pytest.mark.parametrize("order", list(itertools.permutations(REQUIRED)), ids=" ".join)
def test_tags_one_at_a_time(store, order):
    """The tag that completes the set is the one that decides, in whatever order they come."""
    register(store, "0.85", name="other")
    tags = token_tags(**{VALUE: "0.88"})
    create_version(store, tags={})
    for key in order[:-1]:
        set_tag(store, "model", 1, key, tags[key])
        assert detect(store) == {
            "name": "model",
            "version": None,
            "achieved": False,
            "decision": None,
            "history": [],
            "warnings": [],
        }
        assert len(decided_rows(store)) == 1
    set_tag(store, "model", 1, order[-1], tags[order[-1]])
    assert outcome(store) == "achieved"
    assert paid(store) == [("model", "1", "3")]
    assert_sound(store)


def test_unknown_direction(store):
    """A metric that nobody knows the direction of is no baseline and earns nothing."""
    for value in ("0.5", "0.9"):
        register(store, value, benchmark_metric="uplift")
    assert outcomes(store, versions=2) == ["direction_unknown"] * 2
    assert decision(store)["direction"] is None
    assert events(store) == []
    assert_sound(store)


def test_direction_tag_from_the_start(store):
    """``benchmark_direction`` makes an unknown metric comparable."""
    for value in ("0.5", "0.45", "0.6"):
        register(store, value, benchmark_metric="uplift", benchmark_direction="minimize")
    assert outcomes(store, versions=3) == ["baseline", "achieved", "regressed"]
    assert paid(store) == [("model", "2", "5")]
    assert_sound(store)


def test_direction_tag_added_later(store):
    """Giving the direction later decides afresh; the series begins with the best value there is."""
    for value in ("0.5", "0.6"):
        register(store, value, benchmark_metric="uplift")
    set_tag(store, "model", 1, DIRECTION, "maximize")
    assert outcomes(store, versions=2) == ["regressed", "baseline"]
    assert [past["outcome"] for past in detect(store)["history"]] == ["direction_unknown"]
    set_tag(store, "model", 2, DIRECTION, "maximize")
    assert outcomes(store, versions=2) == ["regressed", "below_threshold"]
    assert paid(store) == []
    assert_sound(store)


def test_direction_tag_taken_away(store):
    """Without its direction a version is compared no more; the series keeps its head."""
    register(store, "0.5", benchmark_metric="uplift", benchmark_direction="maximize")
    store.delete_model_version_tag("model", "1", DIRECTION)
    assert outcome(store) == "direction_unknown"
    register(store, "0.6", benchmark_metric="uplift", benchmark_direction="maximize")
    assert decision(store)["baseline"]["value"] == "0.5"
    assert outcome(store) == "achieved"
    assert_sound(store)


def test_direction_of_a_series_does_not_turn(store):
    """Who declares the other direction cannot make a loss pay."""
    register(store, "0.5", benchmark_metric="uplift", benchmark_direction="maximize")
    register(store, "0.3", benchmark_metric="uplift", benchmark_direction="minimize")
    assert outcomes(store, versions=2) == ["baseline", "direction_unknown"]
    assert events(store) == []
    assert_sound(store)


def test_direction_tag_cannot_contradict_the_catalogue(store):
    """What the catalogue knows is not up to the writer."""
    register(store, "0.5")
    with refused(store, "benchmark_direction", "accuracy is to maximize"):
        register(store, "0.3", benchmark_direction="minimize")
    register(store, "0.6", benchmark_direction="maximize")
    assert outcome(store) == "achieved"


@pytest.mark.parametrize(
    ("metric", "value", "bounds"),
    [
        ("accuracy", "1.7", "0 to 1"),
        ("accuracy", "-0.1", "0 to 1"),
        ("r2_score", "1.1", "at most 1"),
        ("rmse", "-1", "at least 0"),
        ("perplexity", "0.9", "at least 1"),
    ],
)
def test_value_out_of_bounds(store, metric, value, bounds):
    """A value that its metric cannot have is refused, at creation and as an amendment."""
    register(store, "1", benchmark_metric=metric)
    with refused(store, value, "out of bounds", metric, bounds):
        register(store, value, benchmark_metric=metric)
    with refused(store, value, "out of bounds", metric, bounds):
        set_tag(store, "model", 1, VALUE, value)


def test_own_metrics(store_factory, tmp_path):
    """``HOKUSAI_METRICS_FILE`` gives direction, bounds and threshold of the operator's metrics."""
    file = tmp_path / "metrics.toml"
    file.write_text('[metrics.churn]\ndirection = "minimize"\nupper = 1\nthreshold = "0.1"\n')
    store = store_factory(HOKUSAI_METRICS_FILE=str(file))
    for value in ("0.5", "0.41", "0.4"):
        register(store, value, benchmark_metric="churn")
    assert outcomes(store, versions=3) == ["baseline", "below_threshold", "achieved"]
    assert "a DeltaOne needs 10" in decision(store)["reason"]
    with refused(store, "out of bounds", "churn", "at most 1"):
        register(store, "1.5", benchmark_metric="churn")
    assert_sound(store)


def test_a_copy_earns_nothing(store):
    """``copy_model_version`` repeats a version with its tags; that is no improvement."""
    register(store, "0.85")
    better = register(store, "0.88")
    store.copy_model_version(better, "production")
    found = decision(store, "production")
    assert (found["outcome"], found["baseline"], found["improvement_pp"]) == ("copy", None, None)
    assert "model version 2" in found["reason"]
    store.copy_model_version(store.get_model_version("production", "1"), "model")
    assert outcome(store, "model", 3) == "copy"
    assert paid(store) == [("model", "2", "3")]
    assert_sound(store)


def test_a_copy_of_what_was_never_compared(store):
    """Copying a version of unknown direction gives no way around the decision."""
    first = register(store, "0.5", benchmark_metric="uplift")
    store.copy_model_version(first, "other")
    assert outcome(store, "other") == "copy"
    set_tag(store, "other", 1, DIRECTION, "maximize")
    assert outcome(store, "other") == "copy"
    assert_sound(store)


@pytest.mark.parametrize(
    ("what_happens", "expected"),
    [
        (lambda store: store.rename_registered_model("model", "renamed"), "copy"),
        (lambda store: store.delete_model_version("model", "1"), "below_threshold"),
    ],
    ids=["renamed", "deleted"],
)
def test_a_copy_that_is_tokenised_later(store, what_happens, expected):
    """Its original counts under the name that it has then, and no more once it is gone."""
    register(store, "0.85")
    create_version(store, "other", {METRIC: "accuracy", VALUE: "0.85"}, source="models:/model/1")
    what_happens(store)
    set_tag(store, "other", 1, TOKEN, "IMG-001")
    assert outcome(store, "other") == expected
    assert paid(store) == []
    assert_sound(store)


def test_a_copy_with_another_value_is_an_improvement(store):
    """What has a version as its source but claims another value is decided on like any other."""
    register(store, "0.85")
    tags = token_tags(**{VALUE: "0.86"})
    create_version(store, "other", tags, source="models:/model/1")
    assert outcome(store, "other") == "achieved"
    assert_sound(store)


def test_a_copy_that_is_amended(store):
    """Once its value differs from its origin's it is no copy any more."""
    store.copy_model_version(register(store, "0.85"), "other")
    set_tag(store, "other", 1, VALUE, "0.87")
    assert outcome(store, "other") == "achieved"
    assert [past["outcome"] for past in detect(store, "other")["history"]] == ["copy"]
    assert_sound(store)


def test_regress_and_recover(store):
    """Coming back to a value that was paid for pays nothing; only going beyond it does."""
    for value in ("0.80", "0.85", "0.70", "0.85", "0.855", "0.86"):
        register(store, value)
    assert outcomes(store, versions=6) == [
        "baseline",
        "achieved",
        "regressed",
        "below_threshold",
        "below_threshold",
        "achieved",
    ]
    assert paid(store) == [("model", "2", "5"), ("model", "6", "1")]
    assert_sound(store)


def test_re_registration_after_deletion(store):
    """Deleting a rewarded version and registering it again pays nothing."""
    register(store, "0.80")
    register(store, "0.85")
    store.delete_model_version("model", "2")
    register(store, "0.85")
    assert outcome(store) == "below_threshold"
    assert paid(store) == [("model", "2", "5")]
    assert_sound(store)


def test_re_created_model(store):
    """Deleting the whole model and starting over pays nothing, and is no new baseline."""
    register(store, "0.80")
    register(store, "0.85")
    store.delete_registered_model("model")
    register(store, "0.70")
    register(store, "0.85")
    register(store, "0.86")
    assert outcomes(store, versions=3) == ["regressed", "below_threshold", "achieved"]
    assert [
        past for version in (1, 2, 3) for past in detect(store, version=version)["history"]
    ] == []
    assert paid(store) == [("model", "2", "5"), ("model", "3", "1")]
    assert_sound(store)


def test_second_model_with_the_same_token(store):
    """The series belongs to the token: a second name starts where the first one is."""
    register(store, "0.80")
    register(store, "0.85")
    register(store, "0.85", name="twin")
    register(store, "0.86", name="twin")
    assert outcomes(store, "twin", 2) == ["below_threshold", "achieved"]
    assert decision(store, "twin")["baseline"] == {"name": "model", "version": "2", "value": "0.85"}
    assert paid(store) == [("model", "2", "5"), ("twin", "2", "1")]
    assert_sound(store)


def test_retried_request(store):
    """A client that sends a registration twice gets a second version, and no second reward."""
    register(store, "0.80")
    for _time in range(2):
        register(store, "0.85")
    assert outcomes(store, versions=3) == ["baseline", "achieved", "below_threshold"]
    assert_sound(store)


def test_rename_keeps_decisions(store):
    """A renamed model keeps its decisions; the events keep the name they were written with."""
    register(store, "0.80")
    register(store, "0.85")
    store.rename_registered_model("model", "renamed")
    assert outcomes(store, "renamed", 2) == ["baseline", "achieved"]
    assert decision(store, "renamed")["baseline"]["name"] == "renamed"
    register(store, "0.86", name="renamed")
    assert decision(store, "renamed")["baseline"] == {
        "name": "renamed",
        "version": "2",
        "value": "0.85",
    }
    assert paid(store) == [("model", "2", "5"), ("renamed", "3", "1")]
    assert_sound(store)


def test_amendment_is_decided_afresh(store):
    """Before anything rests on it a value can be amended; both decisions stay in the history."""
    register(store, "0.85")
    register(store, "0.855")
    set_tag(store, "model", 2, VALUE, "0.84")
    set_tag(store, "model", 2, VALUE, "0.87")
    found = detect(store)
    assert (found["decision"]["outcome"], found["decision"]["improvement_pp"]) == ("achieved", "2")
    assert [(past["value"], past["outcome"]) for past in found["history"]] == [
        ("0.84", "regressed"),
        ("0.855", "below_threshold"),
    ]
    assert paid(store) == [("model", "2", "2")]
    assert_sound(store)


def test_amendment_supersedes(store):
    """Each decision on a version names the one that it replaces."""
    register(store, "0.85")
    register(store, "0.855")
    set_tag(store, "model", 2, VALUE, "0.84")
    by_value = {row["value"]: row for row in decided_rows(store)}
    assert by_value["0.855"]["supersedes"] is None
    assert by_value["0.84"]["supersedes"] == by_value["0.855"]["decision_id"]


def test_the_same_number_in_other_words_is_no_amendment(store):
    """0.850 is 0.85: nothing is decided afresh, and the tag keeps its text."""
    register(store, "0.85")
    for text in ("0.850", "+8.5e-1", "0.85"):
        set_tag(store, "model", 1, VALUE, text)
    assert len(decided_rows(store)) == 1
    assert store.get_model_version("model", "1").tags[VALUE] == "0.85"


def test_amending_token_or_metric(store):
    """A version that moves to another series is decided on there, and leaves its head behind."""
    register(store, "0.85")
    register(store, "0.80", name="other", hokusai_token_id="IMG-002")
    set_tag(store, "model", 1, TOKEN, "IMG-002")
    assert outcome(store) == "achieved"
    assert decision(store)["baseline"] == {"name": "other", "version": "1", "value": "0.8"}
    register(store, "0.5", name="third", benchmark_metric="recall")
    set_tag(store, "third", 1, METRIC, "accuracy")
    assert outcome(store, "third") == "regressed"
    assert [past["outcome"] for past in detect(store, "third")["history"]] == ["baseline"]
    assert_sound(store)


def test_writes_that_concern_nothing_decided(store):
    """Ordinary, pending and prompt versions and other tags leave no decision; nor do deletions."""
    create_version(store, tags={})
    set_tag(store, "model", 1, METRIC, "accuracy")
    set_tag(store, "model", 1, VALUE, "0.85")
    set_tag(store, "model", 1, "gpu", "A100")
    create_version(store, tags={})
    set_tag(store, "model", 2, TOKEN, "IMG-001")
    set_tag(store, "model", 2, VALUE, "0.85")
    set_tag(store, "model", 2, DIRECTION, "maximize")
    create_model(store, "prompt", {"mlflow.prompt.is_prompt": "true"})
    create_version(store, "prompt", token_tags(**{"mlflow.prompt.is_prompt": "true"}))
    store.rename_registered_model("model", "renamed")
    store.delete_model_version("renamed", "2")
    store.delete_registered_model("renamed")
    written = registry_rows(store.engine)
    for table in ("decisions", "series", "reward_events", "reward_ledgers", "reward_deliveries"):
        assert written[f"hokusai_{table}"] == []


def test_writes_to_a_tokenised_version_that_decide_nothing(store):
    """Contributors, aliases, stages, descriptions and other tags leave the decision as it is."""
    register(store, "0.85")
    before = decided_rows(store)
    set_tag(store, "model", 1, "contributor", "alice")
    set_tag(store, "model", 1, "gpu", "A100")
    store.set_registered_model_alias("model", "champion", "1")
    store.transition_model_version_stage("model", "1", "Production", False)
    store.update_model_version("model", "1", "a description")
    store.delete_model_version_tag("model", "1", "contributor")
    assert decided_rows(store) == before
    assert outcome(store) == "baseline"


def test_a_refused_write_decides_nothing(store):
    """What is refused leaves neither a decision nor an event, and the head where it was."""
    register(store, "0.85")
    for bad in ({TOKEN: "img"}, {"contributor": "a", "contributor_address": "b"}):
        with refused(store):
            register(store, "0.95", **bad)
    assert_sound(store)
    register(store, "0.86")
    assert decision(store)["improvement_pp"] == "1"


def test_detect_changes_nothing(store):
    """Asking reads what was recorded; asking twice gives the same answer and writes no row."""
    register(store, "0.85")
    register(store, "0.87")
    before = registry_rows(store.engine)
    assert detect(store) == detect(store)
    assert registry_rows(store.engine) == before


def test_detect_errors(store):
    """A missing model is not found; a version that is not tokenised is a wrong request."""
    create_version(store, tags={})
    for name, version, code in (
        ("nowhere", None, "RESOURCE_DOES_NOT_EXIST"),
        ("model", 1, "INVALID_PARAMETER_VALUE"),
        ("model", 9, "INVALID_PARAMETER_VALUE"),
    ):
        with pytest.raises(Exception, match=r"not found|not a tokenised version") as caught:
            detect(store, name, version)
        assert caught.value.error_code == code


def test_values_at_the_ends_of_the_range(store):
    """Improvements over the whole range of values are exact, and so is their sum."""
    widest = {METRIC: "gain", "benchmark_direction": "maximize", "contributor": "0x" + 40 * "a"}
    steps = ["-" + 38 * "9", "-1e-48", "1e-48", "0.01", "1e37", 38 * "9"]
    for value in steps:
        create_version(store, tags=token_tags(**widest, **{VALUE: value}))
    assert outcomes(store, versions=6) == [
        "baseline",
        "achieved",
        "below_threshold",
        "achieved",
        "achieved",
        "achieved",
    ]
    assert decision(store, version=2)["improvement_pp"] == f"{37 * '9'}899." + 46 * "9"
    assert faults(store) == []
    (contributor,) = store.ask(get_token, "IMG-001")["token"]["contributors"]
    (total,) = contributor["improvements"]
    assert total["improvement_pp"] == f"1{37 * '9'}800"
