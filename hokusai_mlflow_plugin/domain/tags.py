"""What the tags of one model version add up to.

Source: R4 to R6, R8 and R11.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTOR_TAGS,
    MISTYPED,
    Contributor,
    check_contributors,
    contributors_of,
    mistyped_contributors,
)
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction
from hokusai_mlflow_plugin.domain.metrics import (
    BENCHMARK_METRIC_TAG,
    check_known_metric,
    check_metric_name,
)
from hokusai_mlflow_plugin.domain.tag_faults import (
    DIRECTION_TAG,
    PROMPT_TAG,
    REQUIRED_TAGS,
    check_bounds,
    check_direction,
    check_model_token,
    created_as_prompt,
    deleted_tag,
    missing_tag,
    turned_into_prompt,
    untokenised,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, check_token_id
from hokusai_mlflow_plugin.domain.values import (
    BENCHMARK_VALUE_TAG,
    check_benchmark_value,
)

RULED_TAGS = frozenset((*REQUIRED_TAGS, DIRECTION_TAG, *CONTRIBUTOR_TAGS, PROMPT_TAG))
"""Writing any other tag changes nothing that the rules or the index know of."""

RULED_MODEL_TAGS = frozenset((TOKEN_ID_TAG, BENCHMARK_METRIC_TAG, PROMPT_TAG))
"""The same of a registered model's own tags."""

_CHECKS: Mapping[str, Callable[[str, Catalogue], Violation | None]] = {
    TOKEN_ID_TAG: lambda value, _catalogue: check_token_id(value),
    BENCHMARK_METRIC_TAG: check_metric_name,
    BENCHMARK_VALUE_TAG: lambda value, _catalogue: check_benchmark_value(value),
}
_ALSO_CONCERNS = {
    "benchmark_value_out_of_bounds": (BENCHMARK_METRIC_TAG,),
    "benchmark_direction_conflict": (BENCHMARK_METRIC_TAG,),
    "contributor_conflict": CONTRIBUTOR_TAGS,
}
"""Faults of two tags together: writing either of them commits it."""


@dataclass(frozen=True)
class TokenTags:
    """The valid token tags of a tokenised version."""

    token_id: str
    benchmark_metric: str
    """The metric's canonical name; the tag keeps the one that was written."""
    benchmark_value: str
    direction: Direction | None = None
    """As tag ``benchmark_direction`` says."""
    contributors: tuple[Contributor, ...] = ()

    @property
    def contributor_address(self) -> str | None:
        """The address of the only contributor, in lower case; None where it is not payable."""
        return self.contributors[0].address if len(self.contributors) == 1 else None


@dataclass(frozen=True)
class Context:
    """What the tags of a version are judged by, besides themselves."""

    model_token: str | None = None
    """``hokusai_token_id`` of the registered model, where it carries one."""
    catalogue: Catalogue = field(default_factory=Catalogue)
    """The metrics whose bounds and direction are known."""
    strict: bool = False


@dataclass(frozen=True)
class Write:
    """One version after a write: all its ruled tags, and what the write did to it."""

    tags: Mapping[str, str]
    written: Collection[str] = ()
    """Keys that the write set or deleted."""
    created: bool = False
    was_tokenised: bool = False
    was_complete: bool = False
    """Whether the required tags were all there before it."""

    @property
    def names_metric(self) -> bool:
        """Whether it is what makes the version one of its metric."""
        if self.created or BENCHMARK_METRIC_TAG in self.written:
            return True
        if self.was_tokenised:
            return False
        completes = not self.was_complete and not _missing(self.tags)
        return completes or TOKEN_ID_TAG in self.written or PROMPT_TAG in self.written


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether MLflow's prompt registry owns the version; the rules never look at those (R5)."""
    return tags.get(PROMPT_TAG, "").lower() == "true"


def is_ruled(tags: Mapping[str, str]) -> bool:
    """Whether the tag rules apply: a token id makes a version subject to them (R5)."""
    return TOKEN_ID_TAG in tags and not is_prompt(tags)


def token_tags(tags: Mapping[str, str], context: Context) -> TokenTags | None:
    """The token tags of a tokenised version, or None for any other version.

    This is the truth that the token index is derived from (R7).
    """
    if not is_ruled(tags) or _missing(tags) or faults(tags, context):
        return None
    direction = tags.get(DIRECTION_TAG)
    return TokenTags(
        tags[TOKEN_ID_TAG],
        context.catalogue.canonical(tags[BENCHMARK_METRIC_TAG]),
        tags[BENCHMARK_VALUE_TAG],
        None if direction is None else Direction(direction),
        contributors_of(tags),
    )


def check_registration(tags: Mapping[str, str], context: Context | None = None) -> list[Violation]:
    """Every fault of tags with which a tokenised version is to be created.

    A prompt is none, whatever its tags: the rules never look at it (R5).
    """
    context = context or Context()
    missing = [missing_tag(key) for key in REQUIRED_TAGS if key not in tags]
    prompt = [created_as_prompt()] if is_prompt(tags) else []
    found = faults(tags, context) + mistyped_contributors(tags)
    return missing + found + _metric_faults(tags, context) + prompt


def faults(tags: Mapping[str, str], context: Context) -> list[Violation]:
    """Every fault of the tags that are there, missing ones apart, in a fixed order.

    Not that an address was mistyped, which only a write answers for: a version that carries it
    already, from before the plugin, stays tokenised (R11).
    """
    catalogue = context.catalogue
    found = [check(tags[key], catalogue) for key, check in _CHECKS.items() if key in tags]
    found.append(check_model_token(tags, context.model_token))
    found.append(check_bounds(tags, catalogue))
    found.append(check_direction(tags, catalogue))
    found.append(check_contributors(tags))
    return [violation for violation in found if violation is not None]


def check_write(write: Write, context: Context) -> list[Violation]:
    """Every fault that a write commits; empty where the policy lets it pass (R5).

    A version that is created with a token, is given one, or is tokenised already answers for all
    its tags. A pending one, or one from before the plugin, only for the tags that are written,
    so that faults can be mended one at a time.
    """
    tags = write.tags
    if not is_ruled(tags):
        return _check_untracked(write, context)
    found = faults(tags, context) + _mistyped(write)
    named = _metric_faults(tags, context) if write.names_metric else []
    return named + _committed(write, found)


def _committed(write: Write, found: list[Violation]) -> list[Violation]:
    """Those faults of a ruled version's tags that a write commits, missing tags included."""
    tags = write.tags
    if write.created:
        return [missing_tag(key) for key in _missing(tags)] + found
    if write.was_tokenised:
        return [deleted_tag(key) for key in _missing(tags)] + found
    if TOKEN_ID_TAG in write.written or PROMPT_TAG in write.written:
        return found
    completes = not _missing(tags)
    return [
        violation
        for violation in found
        if _concerns(violation, write.written) or (completes and violation.code == MISTYPED)
    ]


def _mistyped(write: Write) -> list[Violation]:
    """The mistyped addresses that a write answers for.

    Of two, one can be mended or deleted before the other. Any other write may earn a reward, which
    would lock them for good.
    """
    found = mistyped_contributors(write.tags)
    if write.created or set(write.written) - set(CONTRIBUTOR_TAGS):
        return found
    return [violation for violation in found if violation.key in write.written]


def _check_untracked(write: Write, context: Context) -> list[Violation]:
    if write.was_tokenised:
        if is_prompt(write.tags):
            return [turned_into_prompt()]
        return [deleted_tag(key) for key in _missing(write.tags)]
    if write.created and context.strict and not is_prompt(write.tags):
        return [untokenised()]
    return []


def _metric_faults(tags: Mapping[str, str], context: Context) -> list[Violation]:
    """The fault of a metric's name that is one only where it is written."""
    fault = check_known_metric(tags.get(BENCHMARK_METRIC_TAG, ""), context.catalogue)
    return [] if fault is None else [fault]


def _missing(tags: Mapping[str, str]) -> list[str]:
    return [key for key in REQUIRED_TAGS if key not in tags]


def _concerns(violation: Violation, written: Collection[str]) -> bool:
    keys = (violation.key, *_ALSO_CONCERNS.get(violation.code, ()))
    return any(key in written for key in keys)
