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
from hokusai_mlflow_plugin.domain.tags import Context, check_registration, is_ruled
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.queries.registered_models import registered_model
from hokusai_mlflow_plugin.services.queries.tag_warnings import find_warnings
from hokusai_mlflow_plugin.services.tokens import owners
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible
from hokusai_mlflow_plugin.settings import Settings

Json = dict[str, Any]


def validate_tags(
    connection: Connection,
    workspace: str,
    tags: Sequence[Mapping[str, str]],
    settings: Settings,
    user: str | None,
    claims_tokens: bool,
    name: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """What a registration with these tags would be refused for; writes nothing.

    Also what the token's owner would refuse (R18), in the words of a write: it says no more of
    other workspaces, nor of the declaration, than that does.

    Shape: ``valid``, ``violations`` and ``warnings``, both of them ``key``, ``code``, ``message``.
    Warnings are what is let pass, and likely a mistake (R15). With ``name`` also
    ``registered_model``, so that who registers need not ask once more whether it has to be created.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        tags: The tags of a version to be registered: ``key`` and ``value`` of each.
        settings: Those of the registry.
        user: Who would register; None where the server has no users.
        claims_tokens: Whether the first use of a token gives it to its workspace.
        name: The registered model, where it is known; without it nobody looks whether it, or the
            version that ``previous_version`` names, is there.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A key has two values.
    """
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["key"], tag["value"]
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"Parameter tags has two values for key {shown(key)}.")
    context = Context(catalogue=settings.catalogue)
    violations = check_registration(found, context)
    if is_ruled(found):
        use = owners.use_of(workspace, found, settings.catalogue, user)
        violations += owners.faults_before_writing(
            connection, settings, use, claims_tokens=claims_tokens
        )
    model = None if name is None else ModelId(workspace, name)
    answer = {
        "valid": not violations,
        "violations": [_violation(each) for each in violations],
        "warnings": find_warnings(connection, found, context, model, visible),
    }
    if model is not None:
        answer["registered_model"] = registered_model(connection, model, visible)
    return answer


def try_tags(
    connection: Connection,
    workspace: str,
    settings: Settings,
    user: str | None,
    claims_tokens: bool,
    name: str | None = None,
    visible: Visible = EVERYTHING,
    **tags: str | None,
) -> Json:
    """The answer of ``tags/validate`` on tags by their keys, without those that are None.

    Shape: that answer, and ``is_tried``: whether there was any tag to look at.
    """
    given = [{"key": key, "value": value} for key, value in tags.items() if value is not None]
    answer = validate_tags(
        connection, workspace, given, settings, user, claims_tokens, name, visible
    )
    return {**answer, "is_tried": bool(given)}


def _violation(violation: Violation) -> Json:
    return {"key": violation.key, "code": violation.code, "message": violation.message}
