"""Reward events."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    DirectionName,
    EvidenceName,
    Exact,
    Milliseconds,
    Points,
    VersionNumber,
    exact_fields,
)


@exact_fields
class EventBaseline(TypedDict):
    """The version that a reward was measured against."""

    name: str
    version: VersionNumber
    value: Exact


@exact_fields
class EventContributor(TypedDict):
    """Who is rewarded, and for what part."""

    contributor: str
    address: str | None
    weight: int
    payable: bool
    note: str | None


@exact_fields
class EventData(TypedDict):
    """The facts of a reward."""

    workspace: str
    token_id: str
    name: str
    version: VersionNumber
    run_id: NotRequired[str | None]
    benchmark_metric: str
    direction: DirectionName
    baseline: EventBaseline
    value: Exact
    improvement_pp: Points
    threshold_pp: NotRequired[
        Annotated[
            Points,
            Field(description="What a DeltaOne needed. Not in events of an earlier release."),
        ]
    ]
    unit: NotRequired[
        Annotated[
            str | None,
            Field(description="The metric's unit, where the catalogue has it. Likewise."),
        ]
    ]
    evidence: EvidenceName
    contributors: list[EventContributor]


@exact_fields
class RewardEvent(TypedDict):
    """One DeltaOne in the reward ledger."""

    sequence: int
    id: str
    type: str
    timestamp: Milliseconds
    token_id: str
    data: EventData
    hash: str
    previous_hash: str


@exact_fields
class RewardEvents(TypedDict):
    """A page of the reward ledger, in commit order."""

    reward_events: list[RewardEvent]
    next_after: NotRequired[
        Annotated[
            int,
            Field(
                description="There where the answer ends early, because so many events follow "
                "that the user may not read: ask with it as `after` to go on."
            ),
        ]
    ]
