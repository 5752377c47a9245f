"""Which tags a version gets from its registered model and from what was logged (R17)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hokusai_mlflow_plugin.domain.bindings import (
    Binding,
    binding_of,
    bound_tags,
    counting,
    may_be_bound,
)

BOUND = {"hokusai_token_id": "IMG-001", "benchmark_metric": "accuracy"}


@dataclass(frozen=True)
class Logged:
    value: float
    logged_by: str = "run"


def test_a_model_with_token_and_metric_binds() -> None:
    """Both tags make a binding; one of them, or a prompt's, makes none."""
    assert binding_of(BOUND) == Binding("IMG-001", "accuracy")
    for tags in ({}, {"hokusai_token_id": "IMG-001"}, {"benchmark_metric": "accuracy"}):
        assert binding_of(tags) is None
    assert binding_of({**BOUND, "mlflow.prompt.is_prompt": "true"}) is None


@pytest.mark.parametrize("key", ["hokusai_token_id", "benchmark_metric", "benchmark_value"])
def test_a_version_with_a_token_tag_keeps_its_own(key: str) -> None:
    """What a version brings of the three tags is left as it is."""
    assert not may_be_bound({key: "x"}, None)
    assert may_be_bound({"note": "x"}, "models:/m-" + "0" * 32)


def test_copies_and_prompts_are_left_alone() -> None:
    """A copy keeps what it brings, and a prompt is no model."""
    assert not may_be_bound({}, "models:/other/3")
    assert not may_be_bound({"mlflow.prompt.is_prompt": "True"}, None)


def test_the_first_value_counts() -> None:
    """Of several values it is the one that evidence looks at first."""
    assert counting([Logged(0.9), Logged(0.8)]) == Logged(0.9)
    assert counting([]) is None


def test_the_value_is_what_was_logged() -> None:
    """The tag is the shortest decimal that reads back as the float that was logged."""
    tags = bound_tags(Binding("IMG-001", "accuracy"), Logged(0.1 + 0.2, "abc"), {}, None)
    assert tags == {**BOUND, "benchmark_value": "0.30000000000000004", "hokusai_tags_from": "abc"}


def test_the_contributor_of_the_run() -> None:
    """The run's contributor is the version's, unless the version names one."""
    binding, logged = Binding("IMG-001", "accuracy"), Logged(0.9)
    assert bound_tags(binding, logged, {}, "0xabc")["contributor_address"] == "0xabc"
    for own in ("contributor", "contributors", "contributor_address"):
        assert "contributor_address" not in bound_tags(binding, logged, {own: "me"}, "0xabc")
