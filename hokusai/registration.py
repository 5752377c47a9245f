"""The tags of a registration, and what has to be right about them before anything is written."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from mlflow.entities.model_registry import RegisteredModel
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED

from hokusai.arguments import mapping, tag_texts
from hokusai.entities import model_from_json
from hokusai.errors import HokusaiWarning, RequestRefused
from hokusai.transport import Transport
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.ownership import is_only_sender_at_fault
from hokusai_mlflow_plugin.domain.tag_warnings import TagWarning
from hokusai_mlflow_plugin.domain.tags import check_registration
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG

_SUBJECT = "Nothing was registered"
_ARGUMENTS = {
    TOKEN_ID_TAG: "token_id",
    BENCHMARK_METRIC_TAG: "benchmark_metric",
    BENCHMARK_VALUE_TAG: "benchmark_value",
}
_OWN_PACKAGES = ("hokusai", "contextlib")
"""``contextlib`` is the frame of ``errors.translated``."""


def registration_tags(
    token_id: object,
    benchmark_metric: object,
    benchmark_value: object,
    tags: object,
) -> dict[str, str]:
    """All tags of a version to be registered.

    Raises:
        RequestRefused: Every fault found, tags that contradict the other arguments included.
    """
    given = {
        TOKEN_ID_TAG: token_id,
        BENCHMARK_METRIC_TAG: benchmark_metric,
        BENCHMARK_VALUE_TAG: benchmark_value,
    }
    required, unusable = tag_texts(given, _ARGUMENTS)
    others, unusable_tags = tag_texts({} if tags is None else mapping("tags", tags))
    merged = {**others, **required}
    contradictions = [
        _contradiction(key, others[key], value)
        for key, value in required.items()
        if others.get(key, value) != value
    ]
    faulty = {fault.key for fault in unusable}
    found = [fault for fault in check_registration(merged) if fault.key not in faulty]
    _refuse(unusable + unusable_tags + contradictions + found)
    return merged


def is_valid(transport: Transport, tags: object) -> bool:
    """Whether a registration with these tags would be taken, by the registry's own rules.

    What is wrong by itself is not asked for.

    Raises:
        RequestRefused: They are no dict.
    """
    written, unusable = tag_texts(mapping("tags", tags))
    if unusable or check_registration(written):
        return False
    return not _validated(transport, written)["violations"]


def require_valid(
    transport: Transport, name: str, tags: Mapping[str, str]
) -> tuple[list[TagWarning], RegisteredModel | None]:
    """Have the registry check the tags by its own rules, and warn of what it lets pass.

    MLflow (3.17.2) creates the registered model before the version. Asking first leaves nothing
    behind where the registry would refuse the version, or knows no tokens at all; or where the
    caller turns warnings into errors.

    Returns:
        The likely mistakes, each of which was also issued as a ``HokusaiWarning``; and the
        registered model, or None where the registry does not tell of any.

    Raises:
        RequestRefused: Every fault found.
    """
    answer = _validated(transport, tags, name)
    _refuse([Violation(**violation) for violation in answer["violations"]])
    found = [TagWarning(**warning) for warning in answer["warnings"]]
    for warning in found:
        warnings.warn(HokusaiWarning(warning), stacklevel=_level_of_caller())
    model = answer.get("registered_model")  # a server of the release before does not answer it
    return found, None if model is None else model_from_json(model)


def require_taken(transport: Transport, name: str, tags: Mapping[str, str]) -> None:
    """Have the registry check a version's tags before its files are sent.

    Raises:
        RequestRefused: Every fault found.
    """
    answer = _validated(transport, tags, name)
    _refuse([Violation(**violation) for violation in answer["violations"]])


def _validated(
    transport: Transport, tags: Mapping[str, str], name: str | None = None
) -> Mapping[str, Any]:
    """What the registry says of a registration with these tags, by its own catalogue."""
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    return transport.post("tags/validate", tags=pairs, name=name)


def _level_of_caller() -> int:
    """The stack level, for ``warnings.warn`` in ``require_valid``, of who called this package."""
    level, frame = 1, inspect.currentframe()
    frame = frame.f_back if frame else None
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _OWN_PACKAGES:
        level, frame = level + 1, frame.f_back
    return level


def _refuse(found: list[Violation]) -> None:
    if not found:
        return
    code = PERMISSION_DENIED if is_only_sender_at_fault(found) else INVALID_PARAMETER_VALUE
    raise RequestRefused(str(TagsRefused(found, _SUBJECT)), code)


def _contradiction(key: str, tag: str, argument: str) -> Violation:
    return Violation(
        key,
        "tag_contradicts_argument",
        f"Tag {key} in tags is {shown(tag)}, but the argument says {shown(argument)}. Leave the "
        "tag out.",
    )
