"""What a refusal says, in full: the tag, what is wrong, and what to do."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.domain import tag_faults
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation

SAID = {
    "missing": (
        lambda: tag_faults.missing_tag("benchmark_value"),
        "benchmark_value",
        "required_tag_missing",
        "Required tag benchmark_value is missing: a version created with hokusai_token_id needs "
        "hokusai_token_id, benchmark_metric, benchmark_value.",
    ),
    "deleted": (
        lambda: tag_faults.deleted_tag("benchmark_metric"),
        "benchmark_metric",
        "required_tag_deleted",
        "Required tag benchmark_metric of a tokenised version cannot be deleted. Set it to another "
        "valid value, or delete the version.",
    ),
    "created as a prompt": (
        tag_faults.created_as_prompt,
        "mlflow.prompt.is_prompt",
        "tokenised_version_as_prompt",
        "A tokenised version cannot be a prompt. Leave tag mlflow.prompt.is_prompt out.",
    ),
    "turned into a prompt": (
        tag_faults.turned_into_prompt,
        "mlflow.prompt.is_prompt",
        "tokenised_version_as_prompt",
        "A tokenised version cannot become a prompt: tag mlflow.prompt.is_prompt refused.",
    ),
    "untokenised under strict": (
        tag_faults.untokenised,
        "hokusai_token_id",
        "version_not_tokenised",
        "This registry takes only tokenised versions (HOKUSAI_POLICY=strict): create the version "
        "with the tags hokusai_token_id, benchmark_metric, benchmark_value.",
    ),
}


@pytest.mark.parametrize("what", SAID)
def test_what_is_said(what: str) -> None:
    """Each sentence names its tag, and the way out of it."""
    say, *expected = SAID[what]
    assert say() == Violation(*expected)


@pytest.mark.parametrize(
    ("subject", "count", "sentence"),
    [
        ("", 1, "One."),
        ("model version 3", 1, "model version 3: One."),
        ("", 2, "2 faults. (1) One. (2) Two."),
        ("model version 3", 2, "model version 3: 2 faults. (1) One. (2) Two."),
    ],
)
def test_all_faults_are_in_one_message(subject: str, count: int, sentence: str) -> None:
    """What is refused comes first, where it is told; several faults are numbered."""
    faults = [Violation("a", "code", "One."), Violation("b", "code", "Two.")][:count]
    refusal = TagsRefused(faults, subject)
    assert str(refusal) == sentence
    assert refusal.violations == tuple(faults)
