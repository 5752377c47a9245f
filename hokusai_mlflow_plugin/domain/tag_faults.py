"""The faults that tags can have together, each with its sentence."""

from __future__ import annotations

from collections.abc import Mapping

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown
from hokusai_mlflow_plugin.domain.values import (
    BENCHMARK_VALUE_TAG,
    parse_benchmark_value,
)

PROMPT_TAG = "mlflow.prompt.is_prompt"

DIRECTION_TAG = "benchmark_direction"

REQUIRED_TAGS = (TOKEN_ID_TAG, BENCHMARK_METRIC_TAG, BENCHMARK_VALUE_TAG)

_DIRECTIONS = [direction.value for direction in Direction]


def check_model_token(tags: Mapping[str, str], model_token: str | None) -> Violation | None:
    """A version of a model with a token of its own carries that one, or none (R5)."""
    token_id = tags.get(TOKEN_ID_TAG)
    if token_id is None or model_token is None or token_id == model_token:
        return None
    return Violation(
        TOKEN_ID_TAG,
        "token_id_differs_from_model",
        f"Tag {TOKEN_ID_TAG} is {shown(token_id)}, but the registered model carries token "
        f"{shown(model_token)}: its versions may carry only that one.",
    )


def check_bounds(tags: Mapping[str, str], catalogue: Catalogue) -> Violation | None:
    """A value lies within what the catalogue says of its metric (R8)."""
    metric = catalogue.meant_by(tags.get(BENCHMARK_METRIC_TAG, ""))
    value = parse_benchmark_value(tags.get(BENCHMARK_VALUE_TAG, ""))
    if metric is None or value is None or metric.allows(value):
        return None
    return Violation(
        BENCHMARK_VALUE_TAG,
        "benchmark_value_out_of_bounds",
        f"Benchmark value {shown(tags[BENCHMARK_VALUE_TAG])} is out of bounds: {metric.name} "
        f"({metric.unit}) is {metric.bounds_text()}.",
    )


def check_direction(tags: Mapping[str, str], catalogue: Catalogue) -> Violation | None:
    """A declared direction is one, and not against the catalogue (R8)."""
    declared = tags.get(DIRECTION_TAG)
    if declared is None:
        return None
    if declared not in _DIRECTIONS:
        return Violation(
            DIRECTION_TAG,
            "benchmark_direction_invalid",
            f"Tag {DIRECTION_TAG} is {shown(declared)}; use {' or '.join(_DIRECTIONS)}.",
        )
    metric = catalogue.meant_by(tags.get(BENCHMARK_METRIC_TAG, ""))
    if metric is None or metric.direction.value == declared:
        return None
    return Violation(
        DIRECTION_TAG,
        "benchmark_direction_conflict",
        f"Tag {DIRECTION_TAG} is {declared}, but the metric catalogue says that {metric.name} is "
        f"to {metric.direction.value}. Leave the tag out.",
    )


def missing_tag(key: str) -> Violation:
    """A tag that a tokenised version must be created with (R5)."""
    return Violation(
        key,
        "required_tag_missing",
        f"Required tag {key} is missing: a version created with {TOKEN_ID_TAG} needs "
        f"{', '.join(REQUIRED_TAGS)}.",
    )


def deleted_tag(key: str) -> Violation:
    """A tag that a tokenised version must keep (R5)."""
    return Violation(
        key,
        "required_tag_deleted",
        f"Required tag {key} of a tokenised version cannot be deleted. Set it to another valid "
        "value, or delete the version.",
    )


def created_as_prompt() -> Violation:
    """A tokenised version that would be a prompt from the start (R5)."""
    return Violation(
        PROMPT_TAG,
        "tokenised_version_as_prompt",
        f"A tokenised version cannot be a prompt. Leave tag {PROMPT_TAG} out.",
    )


def turned_into_prompt() -> Violation:
    """A tokenised version that would become a prompt (R5)."""
    return Violation(
        PROMPT_TAG,
        "tokenised_version_as_prompt",
        f"A tokenised version cannot become a prompt: tag {PROMPT_TAG} refused.",
    )


def untokenised() -> Violation:
    """A version without a token, where policy strict wants one (R5)."""
    return Violation(
        TOKEN_ID_TAG,
        "version_not_tokenised",
        "This registry takes only tokenised versions (HOKUSAI_POLICY=strict): create the version "
        f"with the tags {', '.join(REQUIRED_TAGS)}.",
    )
