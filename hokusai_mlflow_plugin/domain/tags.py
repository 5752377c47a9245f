"""What the tags of one model version add up to.

Source: design R4 to R6.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTOR_ADDRESS_TAG,
    CONTRIBUTOR_TAG,
    check_contributors,
    contributor_text,
    payable_address,
)
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG, check_metric_name
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, check_token_id, shown
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG, check_benchmark_value

PROMPT_TAG = "mlflow.prompt.is_prompt"
REQUIRED_TAGS = (TOKEN_ID_TAG, BENCHMARK_METRIC_TAG, BENCHMARK_VALUE_TAG)
RULED_TAGS = frozenset((*REQUIRED_TAGS, CONTRIBUTOR_ADDRESS_TAG, CONTRIBUTOR_TAG, PROMPT_TAG))
"""Writing any other tag changes nothing that the rules or the index know of."""

_CHECKS = {
    TOKEN_ID_TAG: check_token_id,
    BENCHMARK_METRIC_TAG: check_metric_name,
    BENCHMARK_VALUE_TAG: check_benchmark_value,
}


@dataclass(frozen=True)
class TokenTags:
    """The valid token tags of a tokenised version."""

    token_id: str
    benchmark_metric: str
    benchmark_value: str
    contributor: str | None
    """As the tag writes it."""

    @property
    def contributor_address(self) -> str | None:
        """The contributor's Ethereum address in lower case; None where it is not payable."""
        return None if self.contributor is None else payable_address(self.contributor)


@dataclass(frozen=True)
class Write:
    """One version after a write: all its tags, and what the write did to it."""

    tags: Mapping[str, str]
    written: Collection[str] = ()
    """Keys that the write set or deleted."""
    created: bool = False
    was_tokenised: bool = False
    model_token: str | None = None
    """``hokusai_token_id`` of the registered model, where it carries one."""
    strict: bool = False


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether MLflow's prompt registry owns the version; the rules never look at those (R5)."""
    return tags.get(PROMPT_TAG, "").lower() == "true"


def is_ruled(tags: Mapping[str, str]) -> bool:
    """Whether the tag rules apply: a token id makes a version subject to them (R5)."""
    return TOKEN_ID_TAG in tags and not is_prompt(tags)


def token_tags(tags: Mapping[str, str], model_token: str | None = None) -> TokenTags | None:
    """The token tags of a tokenised version, or None for any other version.

    This is the truth that the token index is derived from (R7).
    """
    if not is_ruled(tags) or _missing(tags) or faults(tags, model_token):
        return None
    return TokenTags(
        tags[TOKEN_ID_TAG],
        tags[BENCHMARK_METRIC_TAG],
        tags[BENCHMARK_VALUE_TAG],
        contributor_text(tags),
    )


def check_registration(tags: Mapping[str, str]) -> list[Violation]:
    """Every fault of tags with which a tokenised version is to be created."""
    missing = [_missing_tag(key) for key in REQUIRED_TAGS if key not in tags]
    return missing + faults(tags)


def faults(tags: Mapping[str, str], model_token: str | None = None) -> list[Violation]:
    """Every fault of the tags that are there, missing ones apart, in a fixed order."""
    found = [check(tags[key]) for key, check in _CHECKS.items() if key in tags]
    found.append(_check_model_token(tags, model_token))
    found.append(check_contributors(tags))
    return [violation for violation in found if violation is not None]


def check_write(write: Write) -> list[Violation]:
    """Every fault that a write commits; empty where the policy lets it pass (R5).

    A version that is created with a token, is given one, or is tokenised already answers for all
    its tags. A pending one, or one from before the plugin, only for the tags that are written,
    so that faults can be mended one at a time.
    """
    tags = write.tags
    if not is_ruled(tags):
        return _check_untracked(write)
    found = faults(tags, write.model_token)
    if write.created:
        found = [_missing_tag(key) for key in _missing(tags)] + found
    elif write.was_tokenised:
        found = [_deleted_tag(key) for key in _missing(tags)] + found
    elif TOKEN_ID_TAG not in write.written and PROMPT_TAG not in write.written:
        found = [violation for violation in found if violation.key in _topics(write.written)]
    return found


def _check_untracked(write: Write) -> list[Violation]:
    if write.was_tokenised:
        if is_prompt(write.tags):
            return [_turned_into_prompt()]
        return [_deleted_tag(key) for key in _missing(write.tags)]
    if write.created and write.strict and not is_prompt(write.tags):
        return [_untokenised()]
    return []


def _missing(tags: Mapping[str, str]) -> list[str]:
    return [key for key in REQUIRED_TAGS if key not in tags]


def _topics(written: Collection[str]) -> set[str]:
    both = {CONTRIBUTOR_ADDRESS_TAG} if CONTRIBUTOR_TAG in written else set()
    return set(written) | both


def _check_model_token(tags: Mapping[str, str], model_token: str | None) -> Violation | None:
    token_id = tags.get(TOKEN_ID_TAG)
    if token_id is None or model_token is None or token_id == model_token:
        return None
    return Violation(
        TOKEN_ID_TAG,
        "token_id_differs_from_model",
        f"Tag {TOKEN_ID_TAG} is {shown(token_id)}, but the registered model carries token "
        f"{shown(model_token)}: its versions may carry only that one.",
    )


def _missing_tag(key: str) -> Violation:
    return Violation(
        key,
        "required_tag_missing",
        f"Required tag {key} is missing: a version created with {TOKEN_ID_TAG} needs "
        f"{', '.join(REQUIRED_TAGS)}.",
    )


def _deleted_tag(key: str) -> Violation:
    return Violation(
        key,
        "required_tag_deleted",
        f"Required tag {key} of a tokenised version cannot be deleted. Set it to another valid "
        "value, or delete the version.",
    )


def _turned_into_prompt() -> Violation:
    return Violation(
        PROMPT_TAG,
        "tokenised_version_as_prompt",
        f"A tokenised version cannot become a prompt: tag {PROMPT_TAG} refused.",
    )


def _untokenised() -> Violation:
    return Violation(
        TOKEN_ID_TAG,
        "version_not_tokenised",
        "This registry takes only tokenised versions (HOKUSAI_POLICY=strict): create the version "
        f"with the tags {', '.join(REQUIRED_TAGS)}.",
    )
