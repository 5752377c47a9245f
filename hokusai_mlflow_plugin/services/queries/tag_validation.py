"""What a registration with some tags would be refused for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    Violation,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import Context, check_registration
from hokusai_mlflow_plugin.domain.tokens import shown

Json = dict[str, Any]


def validate_tags(
    _connection: Connection,
    _workspace: str,
    tags: Sequence[Mapping[str, str]],
    metrics: Catalogue,
) -> Json:
    """What a registration with these tags would be refused for; writes nothing.

    Shape: ``valid``, and ``violations``: ``key``, ``code``, ``message``.

    Args:
        tags: The tags of a version to be registered: ``key`` and ``value`` of each.
        metrics: The metric catalogue, for bounds and directions.

    Raises:
        InvalidRequest: A key has two values.
    """
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["key"], tag["value"]
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"Parameter tags has two values for key {shown(key)}.")
    violations = check_registration(found, Context(catalogue=metrics))
    return {"valid": not violations, "violations": [_violation(each) for each in violations]}


def _violation(violation: Violation) -> Json:
    return {"key": violation.key, "code": violation.code, "message": violation.message}
