"""The tags of a registration, and what has to be right about them before anything is written."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from hokusai.errors import HokusaiWarning, RequestRefused
from hokusai.transport import Transport
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_warnings import TagWarning
from hokusai_mlflow_plugin.domain.tags import check_registration
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG

_SUBJECT = "Nothing was registered"
_OWN_PACKAGES = ("hokusai", "contextlib")
"""``contextlib`` is the frame of ``errors.translated``."""


def text_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags as MLflow writes them: every value is text."""
    return {str(key): str(value) for key, value in tags.items()}


def registration_tags(
    token_id: object,
    benchmark_metric: object,
    benchmark_value: object,
    tags: Mapping[str, Any] | None,
) -> dict[str, str]:
    """All tags of a version to be registered.

    Raises:
        RequestRefused: Every fault found, tags that contradict the other arguments included.
    """
    required = text_tags(
        {
            TOKEN_ID_TAG: token_id,
            BENCHMARK_METRIC_TAG: benchmark_metric,
            BENCHMARK_VALUE_TAG: benchmark_value,
        }
    )
    others = text_tags(tags or {})
    merged = {**others, **required}
    contradictions = [
        _contradiction(key, others[key], value)
        for key, value in required.items()
        if others.get(key, value) != value
    ]
    _refuse(contradictions + check_registration(merged))
    return merged


def require_valid(transport: Transport, name: str, tags: Mapping[str, str]) -> list[TagWarning]:
    """Have the registry check the tags by its own rules, and warn of what it lets pass.

    MLflow creates the registered model before the version. Asking first leaves nothing behind where
    the registry would refuse the version, or knows no tokens at all; or where the caller turns
    warnings into errors.

    Returns:
        The likely mistakes, each of which was also issued as a ``HokusaiWarning``.

    Raises:
        RequestRefused: Every fault found.
    """
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    answer = transport.post("tags/validate", tags=pairs, name=name)
    _refuse([Violation(**violation) for violation in answer["violations"]])
    found = [TagWarning(**warning) for warning in answer["warnings"]]
    for warning in found:
        warnings.warn(HokusaiWarning(warning), stacklevel=_level_of_caller())
    return found


def _level_of_caller() -> int:
    """The stack level, for ``warnings.warn`` in the function above, of who called this package."""
    level, frame = 1, inspect.currentframe()
    frame = frame.f_back if frame else None
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _OWN_PACKAGES:
        level, frame = level + 1, frame.f_back
    return level


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise RequestRefused(str(TagsRefused(violations, _SUBJECT)))


def _contradiction(key: str, tag: str, argument: str) -> Violation:
    return Violation(
        key,
        "tag_contradicts_argument",
        f"Tag {key} in tags is {shown(tag)}, but the argument says {shown(argument)}. Leave the "
        "tag out.",
    )
