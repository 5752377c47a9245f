"""Findings of the audit policy, and faults of tags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    Actor,
    Milliseconds,
    PageToken,
    VersionNumber,
    exact_fields,
)
from hokusai_mlflow_plugin.web.api.answers.models import RegisteredModel

WarningCode = Literal[
    "metric_direction_unknown",
    "contributor_missing",
    "contributor_not_payable",
    "contributor_checksum_mismatch",
    "previous_version_unknown",
]


@exact_fields
class Violation(TypedDict):
    """One fault of one tag."""

    key: str
    code: Annotated[str, Field(description="For programs.", examples=["token_id_invalid"])]
    message: Annotated[str, Field(description="For people.")]


@exact_fields
class Warned(TypedDict):
    """One likely mistake in one tag, which is let pass."""

    key: str
    code: WarningCode
    message: Annotated[str, Field(description="For people.")]


@exact_fields
class TagsValidated(TypedDict):
    """Whether a registration with the tags would be accepted."""

    valid: bool
    violations: list[Violation]
    warnings: list[Warned]
    registered_model: NotRequired[
        Annotated[
            RegisteredModel | None,
            Field(
                description="Where name is given: that registered model, or null where there is "
                "none that the user may read."
            ),
        ]
    ]


@exact_fields
class Finding(TypedDict):
    """A write that the audit policy let pass, and the rules that would have refused it."""

    name: str
    version: Annotated[
        VersionNumber | None, Field(description="Null where it is the model's own token.")
    ]
    codes: list[str]
    message: str
    found_timestamp: Milliseconds
    actor: Actor


@exact_fields
class Findings(TypedDict):
    """A page of findings, by model and version."""

    findings: list[Finding]
    next_page_token: NotRequired[PageToken]
