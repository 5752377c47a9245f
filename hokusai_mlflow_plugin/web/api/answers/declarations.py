"""Declarations of tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    Milliseconds,
    PageToken,
    Points,
    exact_fields,
)


@exact_fields
class Declaration(TypedDict):
    """What a token pays for, and who may put it on versions."""

    token_id: str
    metrics: list[str]
    publishers: list[str]
    ceiling_pp: Annotated[
        Points | None, Field(description="Above it an event needs a review; null for no ceiling.")
    ]
    declared_timestamp: Milliseconds
    closed_timestamp: Annotated[
        Milliseconds | None, Field(description="Null while versions may carry it.")
    ]
    is_enforced: Annotated[
        bool, Field(description="Whether this registry asks for declarations at all.")
    ]


@exact_fields
class OneDeclaration(TypedDict):
    """The declaration of one token."""

    declaration: Declaration


@exact_fields
class CheckedToken(TypedDict):
    """A token and the workspaces in which it has series."""

    token_id: str
    owner: Annotated[str | None, Field(description="The workspace that it belongs to.")]
    workspaces: list[str]
    is_declared: bool


@exact_fields
class CheckedTokens(TypedDict):
    """A page of tokens that need an administrator's look, in the order of their ids."""

    tokens: list[CheckedToken]
    next_page_token: NotRequired[PageToken]
