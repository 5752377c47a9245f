"""The audit policy: nothing is refused, everything is on record until it conforms (R5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.bulk import seed_versions
from support.index import assert_index_is_truth
from support.registry import (
    METRIC,
    PROMPT,
    TOKEN,
    VALUE,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.statements import statements

from hokusai_mlflow_plugin.services.queries import deltaone
from hokusai_mlflow_plugin.services.queries.findings import list_findings
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token


@pytest.fixture
def audited(store_factory: Any) -> Any:
    return store_factory(HOKUSAI_POLICY="audit")


def findings(store: Any) -> list[tuple[str, str | None, list[str]]]:
    found = store.ask(list_findings)["findings"]
    return [(each["name"], each["version"], each["codes"]) for each in found]


def tokenised(store: Any, token_id: str = "IMG-001") -> list[tuple[str, str]]:
    found = store.ask(list_by_token, token_id)["model_versions"]
    return sorted((each["name"], each["version"]) for each in found)


def test_a_bad_version_passes_and_is_on_record(audited):
    """What would have been refused is written, listed with its rules, and not indexed."""
    create_version(audited, "m", {TOKEN: "img_001", VALUE: "nan"})
    codes = ["benchmark_value_invalid", "required_tag_missing", "token_id_invalid"]
    assert findings(audited) == [("m", "1", codes)]
    assert audited.get_model_version("m", "1").tags == {TOKEN: "img_001", VALUE: "nan"}
    assert tokenised(audited) == []
    assert_index_is_truth(audited)


def test_what_passes_is_in_the_log(audited, caplog):
    """One line for each write that another policy would refuse, without the values."""
    with caplog.at_level("INFO", logger="hokusai.registry"):
        create_version(audited, "m", {TOKEN: "img_001", VALUE: "nan"})
        set_model_tag(audited, "m", TOKEN, "img_002")
    lines = [json.loads(record.message) for record in caplog.records]
    codes = ["benchmark_value_invalid", "required_tag_missing", "token_id_invalid"]
    place = {"event": "let_pass", "user": None, "workspace": "default", "model": "m"}
    assert lines == [
        {**place, "version": 1, "outcome": "invalid", "rules": codes},
        {**place, "version": None, "outcome": "invalid", "rules": ["token_id_invalid"]},
    ]


def test_a_good_version_is_as_always(audited):
    """A version that conforms is indexed and decided, and not listed."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", token_tags(benchmark_value="0.9"))
    assert tokenised(audited) == [("m", "1"), ("m", "2")]
    assert audited.ask(deltaone.detect, "m")["achieved"]
    assert len(audited.ask(list_events)["reward_events"]) == 1
    assert findings(audited) == []


def test_it_conforms_again(audited):
    """A finding goes when the version conforms, and the version is indexed then."""
    create_version(audited, "m", token_tags(hokusai_token_id="img_001"))
    set_tag(audited, "m", 1, TOKEN, "IMG-001")
    assert findings(audited) == []
    assert tokenised(audited) == [("m", "1")]
    assert_index_is_truth(audited)


def test_deleting_a_required_tag_passes(audited):
    """A tokenised version that loses a required tag leaves the index and is on record."""
    create_version(audited, "m", token_tags())
    audited.delete_model_version_tag("m", "1", METRIC)
    assert findings(audited) == [("m", "1", ["required_tag_deleted"])]
    assert tokenised(audited) == []
    audited.delete_model_version_tag("m", "1", TOKEN)
    assert findings(audited) == []


def test_changing_what_a_reward_rests_on_passes(audited):
    """Tags that enforcement would lock can change, which is on record; nothing is paid twice."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", token_tags(benchmark_value="0.9"))
    set_tag(audited, "m", 2, VALUE, "0.95")
    assert findings(audited) == [("m", "2", ["tags_locked"])]
    assert tokenised(audited) == [("m", "1")]
    set_tag(audited, "m", 2, VALUE, "0.9")
    paid = audited.ask(list_events)["reward_events"]
    assert [event["data"]["value"] for event in paid] == ["0.9"]


def test_a_model_token_that_differs(audited):
    """A model's own token may contradict its versions; both sides are on record."""
    create_version(audited, "m", token_tags())
    set_model_tag(audited, "m", TOKEN, "OTHER-1")
    assert findings(audited) == [("m", None, ["version_token_differs"])]
    create_version(audited, "m", token_tags())
    assert ("m", "2", ["token_id_differs_from_model"]) in findings(audited)


def test_findings_follow_the_model(audited):
    """A rename moves a finding; deleting the version or the model ends it."""
    for name in ("m", "gone"):
        create_version(audited, name, {TOKEN: "bad"})
        create_version(audited, name, {TOKEN: "bad"})
    audited.rename_registered_model("m", "moved")
    audited.delete_registered_model("gone")
    audited.delete_model_version("moved", "1")
    assert [found[:2] for found in findings(audited)] == [("moved", "2")]


def test_a_new_model_of_the_same_name(audited):
    """A finding on a deleted model says nothing about one that is made anew under its name."""
    create_version(audited, "m", {TOKEN: "bad"})
    audited.delete_registered_model("m")
    create_version(audited, "m", {})
    assert findings(audited) == []


def test_pages(audited):
    """Findings come in pages, by model and version, each once."""
    for name in ("a", "b"):
        for _ in range(3):
            create_version(audited, name, {TOKEN: "bad"})
    seen, token = [], None
    while True:
        page = audited.ask(list_findings, max_results=2, page_token=token)
        seen += [(each["name"], each["version"]) for each in page["findings"]]
        token = page.get("next_page_token")
        if token is None:
            break
    assert seen == [(name, version) for name in ("a", "b") for version in ("1", "2", "3")]


def test_turning_enforcement_on(audited, store_factory):
    """Under staged, what was let pass stays listed until it conforms, and can be mended."""
    create_version(audited, "m", token_tags(hokusai_token_id="img_001", benchmark_value="x"))
    enforcing = store_factory()
    with pytest.raises(ValueError, match="Benchmark value must be numeric"):
        set_tag(enforcing, "m", 1, VALUE, "still wrong")
    set_tag(enforcing, "m", 1, VALUE, "0.5")
    assert len(findings(enforcing)) == 1
    set_tag(enforcing, "m", 1, TOKEN, "IMG-001")
    assert findings(enforcing) == []
    assert tokenised(enforcing) == [("m", "1")]


REWARDED = token_tags(benchmark_value="0.9", contributor="alice")
CHANGES = {TOKEN: "IMG-002", METRIC: "recall", VALUE: "0.95", "contributor": "bob"}


@pytest.mark.parametrize("changed", [*([key] for key in CHANGES), list(CHANGES)])
@pytest.mark.parametrize("policy", ["staged", "audit"])
def test_a_rewarded_version_comes_back(audited, store_factory, policy, changed):
    """What was changed under a lock can be set back, tag by tag, and earns nothing again (R5)."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", REWARDED)
    before = audited.ask(deltaone.detect, "m", 2)
    for key in changed:
        set_tag(audited, "m", 2, key, CHANGES[key])
    assert ("m", "2") not in tokenised(audited) + tokenised(audited, "IMG-002")
    store = store_factory(HOKUSAI_POLICY=policy)
    for key in changed:
        assert ("m", "2") not in tokenised(store)
        set_tag(store, "m", 2, key, REWARDED[key])
    assert tokenised(store) == [("m", "1"), ("m", "2")]
    assert store.ask(deltaone.detect, "m", 2) == before
    assert findings(store) == []
    assert len(store.ask(list_events)["reward_events"]) == 1
    assert_index_is_truth(store)


DIRECTION = "benchmark_direction"
FALLING = token_tags(benchmark_metric="uplift", benchmark_direction="minimize")


def set_direction(store: Any, direction: str | None) -> None:
    """Of the second version of model m; None: it has none."""
    if direction is None:
        store.delete_model_version_tag("m", "2", DIRECTION)
    else:
        set_tag(store, "m", 2, DIRECTION, direction)


@pytest.mark.parametrize(
    ("given", "changed", "back"),
    [
        (FALLING, "maximize", "minimize"),
        (FALLING, None, "minimize"),
        (token_tags(), "minimize", "maximize"),
        (token_tags(), "minimize", None),
    ],
)
def test_a_direction_comes_back(audited, store_factory, given, changed, back):
    """To that of the decision; of a metric that the catalogue knows, also to none."""
    better = "0.5" if given is FALLING else "0.9"
    create_version(audited, "m", given)
    create_version(audited, "m", {**given, VALUE: better})
    set_tag(audited, "m", 2, VALUE, "0.6")
    set_direction(audited, changed)
    store = store_factory()
    with pytest.raises(ValueError, match="a DeltaOne rests on this version"):
        set_tag(store, "m", 2, VALUE, "0.7")
    set_tag(store, "m", 2, VALUE, better)
    assert tokenised(store) == [("m", "1")]  # the direction is not yet what it was
    set_direction(store, back)
    assert tokenised(store) == [("m", "1"), ("m", "2")]
    assert findings(store) == []
    assert len(store.ask(list_events)["reward_events"]) == 1
    assert_index_is_truth(store)


@pytest.mark.parametrize("key", CHANGES)
def test_it_comes_back_to_nothing_else(audited, store_factory, key):
    """Under staged only the value that the lock holds is taken back."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", REWARDED)
    set_tag(audited, "m", 2, key, CHANGES[key])
    store = store_factory()
    other = {TOKEN: "IMG-003", METRIC: "precision", VALUE: "0.91", "contributor": "carol"}
    for each, value in other.items():
        with pytest.raises(ValueError, match="a DeltaOne rests on this version"):
            set_tag(store, "m", 2, each, value)


def test_what_was_measured_against_comes_back(audited, store_factory):
    """Likewise of the baseline of a DeltaOne, whose contributor is free."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", REWARDED)
    set_tag(audited, "m", 1, VALUE, "0.1")
    store = store_factory()
    set_tag(store, "m", 1, VALUE, "0.850")
    assert tokenised(store) == [("m", "1"), ("m", "2")]
    assert store.ask(deltaone.detect, "m", 1)["decision"]["outcome"] == "baseline"
    assert_index_is_truth(store)


def test_an_amended_baseline_comes_back_as_amended(audited, store_factory):
    """What comes back is what the tags said when the lock came, not what they said before (R5)."""
    create_version(audited, "m", token_tags())
    set_tag(audited, "m", 1, VALUE, "0.8")
    create_version(audited, "m", REWARDED)
    set_tag(audited, "m", 1, VALUE, "0.1")
    store = store_factory()
    with pytest.raises(ValueError, match="a DeltaOne rests on this version"):
        set_tag(store, "m", 1, VALUE, token_tags()[VALUE])
    set_tag(store, "m", 1, VALUE, "0.8")
    assert tokenised(store) == [("m", "1"), ("m", "2")]
    assert store.ask(deltaone.detect, "m", 1)["decision"]["outcome"] == "baseline"
    assert_index_is_truth(store)


MODEL_WRITES = {
    "another token": lambda store: set_model_tag(store, "m", TOKEN, "OTHER-1"),
    "a malformed token": lambda store: set_model_tag(store, "m", TOKEN, "bad"),
    "a prompt": lambda store: set_model_tag(store, "m", PROMPT, "true"),
    "a model again": lambda store: store.delete_registered_model_tag("m", PROMPT),
    "its token": lambda store: set_model_tag(store, "m", TOKEN, "IMG-001"),
    "no token": lambda store: store.delete_registered_model_tag("m", TOKEN),
    "renamed": lambda store: (
        store.rename_registered_model("m", "n"),
        store.rename_registered_model("n", "m"),
    ),
}


@pytest.mark.parametrize("first", MODEL_WRITES)
def test_index_is_truth_whatever_the_model_is_given(audited, first):
    """Rows follow the model's own token and prompt mark, in any order of writes (R5)."""
    create_version(audited, "m", token_tags())
    create_version(audited, "m", token_tags(hokusai_token_id="OTHER-1"))
    for second in MODEL_WRITES:
        for write in (first, second):
            MODEL_WRITES[write](audited)
            assert_index_is_truth(audited)
    create_version(audited, "m", token_tags(benchmark_value="0.1"))
    assert_index_is_truth(audited)


def test_rows_follow_under_enforcement(audited, store_factory):
    """A model token that audit let differ can be taken away under staged: the rows are there."""
    create_version(audited, "m", token_tags())
    set_model_tag(audited, "m", TOKEN, "OTHER-1")
    assert tokenised(audited) == []
    store = store_factory()
    store.delete_registered_model_tag("m", TOKEN)
    assert tokenised(store) == [("m", "1")]
    assert store.ask(deltaone.detect, "m")["decision"]["outcome"] == "baseline"
    assert_index_is_truth(store)


def test_what_comes_in_with_the_model_raises_the_head(audited):
    """A version on which nothing was decided earns nothing, and nor does a worse one after it."""
    create_version(audited, "m", token_tags(benchmark_value="0.5"))
    set_model_tag(audited, "m", TOKEN, "OTHER-1")
    create_version(audited, "m", token_tags(benchmark_value="0.9"))
    audited.delete_registered_model_tag("m", TOKEN)
    assert tokenised(audited) == [("m", "1"), ("m", "2")]
    create_version(audited, "m", token_tags(benchmark_value="0.8"))
    assert audited.ask(deltaone.detect, "m")["decision"]["outcome"] == "regressed"
    assert audited.ask(list_events)["reward_events"] == []


def test_a_model_of_many_versions(audited):
    """The statements grow by batches, not by versions."""
    seed_versions(audited, 5_000, names=["m"])
    with statements(audited.engine) as sent:
        set_model_tag(audited, "m", TOKEN, "OTHER-1")
    assert tokenised(audited) == []
    assert len(sent) < 50
    with statements(audited.engine) as sent:
        set_model_tag(audited, "m", TOKEN, "OTHER-2")
    assert len(sent) < 15
    assert_index_is_truth(audited)
