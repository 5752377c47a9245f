"""Model versions, their history and their decisions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    Actor,
    DirectionName,
    EvidenceName,
    Exact,
    Milliseconds,
    PageToken,
    Points,
    VersionNumber,
    exact_fields,
)
from hokusai_mlflow_plugin.web.api.answers.models import TagEntry
from hokusai_mlflow_plugin.web.api.answers.policy import Warned

OutcomeName = Literal[
    "baseline", "achieved", "below_threshold", "regressed", "direction_unknown", "copy", "revoked"
]


@exact_fields
class ModelVersion(TypedDict):
    """A model version as MLflow's own registry API gives it."""

    name: str
    version: VersionNumber
    creation_timestamp: NotRequired[Milliseconds]
    last_updated_timestamp: NotRequired[Milliseconds]
    user_id: NotRequired[str]
    current_stage: NotRequired[str]
    description: NotRequired[str]
    source: NotRequired[str]
    run_id: NotRequired[str]
    status: NotRequired[str]
    status_message: NotRequired[str]
    run_link: NotRequired[str]
    tags: NotRequired[list[TagEntry]]


@exact_fields
class ModelVersions(TypedDict):
    """A page of model versions, newest first."""

    model_versions: list[ModelVersion]
    next_page_token: NotRequired[PageToken]


@exact_fields
class Parent(TypedDict):
    """The version that another one improves on, and what makes it so."""

    name: str
    version: VersionNumber
    relation: Literal["previous_version", "copy", "preceding"]


@exact_fields
class Baseline(TypedDict):
    """The version that a value was compared with; unnamed where the user may not read it."""

    name: str | None
    version: VersionNumber | None
    value: Exact


@exact_fields
class Decision(TypedDict):
    """What the registry concluded about a tokenised version."""

    outcome: OutcomeName
    direction: DirectionName | None
    value: Exact
    baseline: Baseline | None
    improvement_pp: Points | None
    threshold_pp: Annotated[
        Points | None,
        Field(description="What a DeltaOne needed; null for a decision of an earlier release."),
    ]
    unit: Annotated[str | None, Field(description="The metric's unit, where the catalogue has it.")]
    reason: Annotated[str, Field(description="The conclusion in a sentence.")]
    evidence: EvidenceName
    decided_timestamp: Milliseconds
    actor: Actor
    logged_value: NotRequired[
        Annotated[str, Field(description="What was logged for the metric; for who may read that.")]
    ]


@exact_fields
class LineageItem(TypedDict):
    """A tokenised version in the history of its model."""

    model_version: ModelVersion
    token_id: str
    benchmark_metric: str
    benchmark_value: Exact
    contributor_address: str | None
    parent: Parent | None
    decision: Decision | None


@exact_fields
class Lineage(TypedDict):
    """A page of a model's history, oldest first."""

    lineage: list[LineageItem]
    next_page_token: NotRequired[PageToken]
    ancestors: NotRequired[
        Annotated[
            list[LineageItem],
            Field(description="Versions of other models that these descend from, nearest first."),
        ]
    ]


@exact_fields
class Detected(TypedDict):
    """Whether a version achieved DeltaOne."""

    name: str
    version: VersionNumber | None
    achieved: bool
    decision: Decision | None
    history: Annotated[
        list[Decision], Field(description="Superseded decisions on the version, newest first.")
    ]
    warnings: Annotated[
        list[Warned], Field(description="Likely mistakes in the version's tags, as of now.")
    ]
    next_page_token: NotRequired[PageToken]
