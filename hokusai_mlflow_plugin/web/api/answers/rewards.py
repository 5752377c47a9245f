"""Reward events."""

from __future__ import annotations

from typing import Annotated, Literal

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

Sequence = Annotated[int, Field(ge=1, description="1, 2, 3, … in each workspace.")]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex.")]


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
    actor: NotRequired[
        Annotated[
            str | None,
            Field(description="Whose request it came from; with HOKUSAI_EVENT_ACTORS=true alone."),
        ]
    ]


@exact_fields
class CorrectedEvent(TypedDict):
    """The event that a correction is about."""

    id: str
    sequence: int


@exact_fields
class RevocationData(TypedDict):
    """A DeltaOne that was taken back: nothing is owed for it any more."""

    workspace: str
    token_id: str
    name: str
    version: VersionNumber
    benchmark_metric: str
    direction: DirectionName
    baseline: EventBaseline
    value: Exact
    improvement_pp: Points
    event: CorrectedEvent
    contributors: Annotated[
        list[EventContributor], Field(description="Who was to be paid for it until then.")
    ]
    reason: str


@exact_fields
class PayeesData(TypedDict):
    """Who is paid for a DeltaOne that had nobody who can be paid."""

    workspace: str
    token_id: str
    name: str
    version: VersionNumber
    benchmark_metric: str
    improvement_pp: Points
    event: CorrectedEvent
    contributors: list[EventContributor]
    reason: str


@exact_fields
class RebaseData(TypedDict):
    """A series that begins anew; nothing is owed for it, nor taken back."""

    workspace: str
    token_id: str
    benchmark_metric: str
    direction: DirectionName
    name: str
    version: VersionNumber
    value: Annotated[Exact, Field(description="What the series begins with now.")]
    previous: Annotated[EventBaseline, Field(description="What was to be beaten until then.")]
    reason: str


class _Event(TypedDict):
    sequence: Sequence
    id: str
    timestamp: Milliseconds
    token_id: str
    hash: Hash
    previous_hash: Hash


@exact_fields
class AchievedEvent(_Event):
    """A DeltaOne in the reward ledger."""

    type: Literal["hokusai.deltaone.achieved"]
    data: EventData


@exact_fields
class RevokedEvent(_Event):
    """A DeltaOne that is taken back."""

    type: Literal["hokusai.deltaone.revoked"]
    data: RevocationData


@exact_fields
class PayeesEvent(_Event):
    """The payees of a DeltaOne that had none."""

    type: Literal["hokusai.deltaone.payees_named"]
    data: PayeesData


@exact_fields
class RebasedEvent(_Event):
    """A series that begins anew."""

    type: Literal["hokusai.series.rebased"]
    data: RebaseData


EVENTS = (AchievedEvent, RevokedEvent, PayeesEvent, RebasedEvent)
"""The shape of every type of event, each with its ``type`` as a literal."""
RewardEvent = Annotated[
    AchievedEvent | RevokedEvent | PayeesEvent | RebasedEvent, Field(discriminator="type")
]
"""A DeltaOne or a correction in the reward ledger; its type says what its data is."""


@exact_fields
class OneRewardEvent(TypedDict):
    """The event that a change left, or that it is about."""

    reward_event: RewardEvent


StateName = Annotated[
    Literal["recorded", "in_review", "delivered", "settled", "revoked"],
    Field(description="How an event stands."),
]


@exact_fields
class Settlement(TypedDict):
    """What the reward service did about an event."""

    id: str
    sequence: int
    status: Literal["paid", "rejected"]
    reference: str
    settled_timestamp: Milliseconds
    state: StateName


@exact_fields
class Settled(TypedDict):
    """A settlement as it is kept."""

    settlement: Settlement


@exact_fields
class RewardEvents(TypedDict):
    """A page of the reward ledger, in commit order."""

    reward_events: list[RewardEvent]
    states: Annotated[
        dict[str, StateName], Field(description="How each of them stands now, by its id.")
    ]
    next_after: NotRequired[
        Annotated[
            int,
            Field(
                description="There where the answer ends early, because so many events follow "
                "that are not asked for, or that the user may not read: ask with it as `after` "
                "to go on."
            ),
        ]
    ]


@exact_fields
class Checkpoint(TypedDict):
    """That the ledger ended so at a time, signed; the other fields repeat the note's lines."""

    ledger_id: str
    sequence: Sequence
    hash: Hash
    timestamp: Milliseconds
    note: Annotated[str, Field(description="The signed note; docs/proof.md says how to check it.")]
    public_keys: Annotated[
        list[str],
        Field(description="The keys that signed it. Compare them with those that you know."),
    ]


@exact_fields
class NewestCheckpoint(TypedDict):
    """The newest checkpoint."""

    checkpoint: Checkpoint
