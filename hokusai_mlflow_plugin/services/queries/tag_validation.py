"""What a registration with some tags would be refused for, and what is likely a mistake in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    Violation,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import Context, check_registration
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.queries.tag_warnings import find_warnings
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


def validate_tags(
    connection: Connection,
    workspace: str,
    tags: Sequence[Mapping[str, str]],
    metrics: Catalogue,
    name: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """What a registration with these tags would be refused for; writes nothing.

    Shape: ``valid``, ``violations`` and ``warnings``, both of them ``key``, ``code``, ``message``.
    Warnings are what is let pass, and likely a mistake (R15).

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        tags: The tags of a version to be registered: ``key`` and ``value`` of each.
        metrics: The metric catalogue, for bounds and directions.
        name: The registered model, where it is known; without it nobody looks whether the version
            that ``previous_version`` names is there.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A key has two values.
    """
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["key"], tag["value"]
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"Parameter tags has two values for key {shown(key)}.")
    context = Context(catalogue=metrics)
    violations = check_registration(found, context)
    model = None if name is None else ModelId(workspace, name)
    return {
        "valid": not violations,
        "violations": [_violation(each) for each in violations],
        "warnings": find_warnings(connection, found, context, model, visible),
    }


def try_tags(
    connection: Connection,
    workspace: str,
    metrics: Catalogue,
    name: str | None = None,
    visible: Visible = EVERYTHING,
    **tags: str | None,
) -> Json:
    """The answer of ``tags/validate`` on tags by their keys, without those that are None.

    Shape: that answer, and ``is_tried``: whether there was any tag to look at.
    """
    given = [{"key": key, "value": value} for key, value in tags.items() if value is not None]
    answer = validate_tags(connection, workspace, given, metrics, name, visible)
    return {**answer, "is_tried": bool(given)}


def _violation(violation: Violation) -> Json:
    return {"key": violation.key, "code": violation.code, "message": violation.message}
