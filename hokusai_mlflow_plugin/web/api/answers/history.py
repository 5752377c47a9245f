"""What happened to a model or a token."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    Actor,
    Milliseconds,
    PageToken,
    VersionNumber,
    exact_fields,
)
from hokusai_mlflow_plugin.web.api.answers.versions import Decision

Action = Literal[
    "decided",
    "tags_written",
    "stage_set",
    "alias_set",
    "alias_deleted",
    "version_deleted",
    "model_renamed",
    "model_deleted",
    "token_declared",
    "token_reassigned",
    "token_granted",
    "token_revoked",
    "token_closed",
    "reward_approved",
    "reward_rejected",
    "reward_revoked",
    "reward_payees_named",
    "reward_settled",
    "series_rebased",
]


@exact_fields
class HistoryEntry(TypedDict):
    """Something that happened, when, and on whose request."""

    timestamp: Milliseconds
    action: Action
    actor: Actor
    token_id: str | None
    name: Annotated[str | None, Field(description="The registered model, as it is called now.")]
    version: VersionNumber | None
    details: Annotated[dict[str, Any], Field(description="What the action was about.")]
    decision: Annotated[Decision | None, Field(description="Of action `decided`.")]


@exact_fields
class History(TypedDict):
    """A page of what happened, newest first."""

    entries: list[HistoryEntry]
    next_page_token: NotRequired[PageToken]
