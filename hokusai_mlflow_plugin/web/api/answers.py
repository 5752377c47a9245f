"""The answer of each route, as the contract with its callers says it.

``NotRequired`` fields are left out where they are not set, as in MLflow's own answers. Times are
epoch milliseconds; numbers that decide about money are exact decimals in strings.
Source: design section 3.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

_exact = with_config(ConfigDict(extra="forbid", strict=True))

Milliseconds = Annotated[int, Field(description="Epoch milliseconds.")]
Exact = Annotated[str, Field(description="An exact decimal.", examples=["0.85"])]
Points = Annotated[str, Field(description="Percentage points, an exact decimal.", examples=["1.5"])]
VersionNumber = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["3"])]
PageToken = Annotated[
    str, Field(description="Ask with it for the next page. Not there on the last page.")
]
OutcomeName = Literal[
    "baseline", "achieved", "below_threshold", "regressed", "direction_unknown", "copy"
]
DirectionName = Literal["maximize", "minimize"]


@_exact
class TagEntry(TypedDict):
    """A tag of a model version."""

    key: str
    value: str


@_exact
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


@_exact
class ModelVersions(TypedDict):
    """A page of model versions, newest first."""

    model_versions: list[ModelVersion]
    next_page_token: NotRequired[PageToken]


@_exact
class Parent(TypedDict):
    """The version that another one improves on, and what makes it so."""

    name: str
    version: VersionNumber
    relation: Literal["previous_version", "copy", "preceding"]


@_exact
class Baseline(TypedDict):
    """The version that a value was compared with; unnamed where the user may not read it."""

    name: str | None
    version: VersionNumber | None
    value: Exact


@_exact
class Decision(TypedDict):
    """What the registry concluded about a tokenised version."""

    outcome: OutcomeName
    direction: DirectionName | None
    value: Exact
    baseline: Baseline | None
    improvement_pp: Points | None
    reason: Annotated[str, Field(description="The conclusion in a sentence.")]
    evidence: Annotated[str, Field(description="What the tracking server knows of the value.")]
    decided_timestamp: Milliseconds
    logged_value: NotRequired[
        Annotated[str, Field(description="What the version's run logged for the metric.")]
    ]


@_exact
class LineageItem(TypedDict):
    """A tokenised version in the history of its model."""

    model_version: ModelVersion
    token_id: str
    benchmark_metric: str
    benchmark_value: Exact
    contributor_address: str | None
    parent: Parent | None
    decision: Decision | None


@_exact
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


@_exact
class SeriesHead(TypedDict):
    """The value that a new one has to beat, and its version where that is known."""

    name: str | None
    version: VersionNumber | None
    value: Exact


@_exact
class Series(TypedDict):
    """The values of one metric under one token."""

    benchmark_metric: str
    direction: DirectionName
    baseline_value: Exact
    head: SeriesHead


@_exact
class Token(TypedDict):
    """A token and its totals."""

    token_id: str
    model_count: int
    version_count: int
    last_registered_timestamp: Milliseconds
    series: list[Series]


@_exact
class Tokens(TypedDict):
    """A page of tokens, in the order of their ids."""

    tokens: list[Token]
    next_page_token: NotRequired[PageToken]


@_exact
class Improvement(TypedDict):
    """What a contributor achieved in one metric."""

    benchmark_metric: str
    deltaone_count: int
    improvement_pp: Points


@_exact
class Contributor(TypedDict):
    """A payable contributor of a token."""

    contributor_address: str
    version_count: int
    last_registered_timestamp: Milliseconds
    improvements: list[Improvement]


@_exact
class TokenWithContributors(Token):
    """A token, its totals and its contributors."""

    contributors: list[Contributor]


@_exact
class OneToken(TypedDict):
    """One token."""

    token: TokenWithContributors


@_exact
class Violation(TypedDict):
    """One fault of one tag."""

    key: str
    code: Annotated[str, Field(description="For programs.", examples=["token_id_invalid"])]
    message: Annotated[str, Field(description="For people.")]


@_exact
class TagsValidated(TypedDict):
    """Whether a registration with the tags would be accepted."""

    valid: bool
    violations: list[Violation]


@_exact
class Detected(TypedDict):
    """Whether a version achieved DeltaOne."""

    name: str
    version: VersionNumber | None
    achieved: bool
    decision: Decision | None
    history: Annotated[
        list[Decision], Field(description="Superseded decisions on the version, newest first.")
    ]


@_exact
class EventBaseline(TypedDict):
    """The version that a reward was measured against."""

    name: str
    version: VersionNumber
    value: Exact


@_exact
class EventContributor(TypedDict):
    """Who is rewarded, and for what part."""

    contributor: str
    address: str | None
    weight: int
    payable: bool
    note: str | None


@_exact
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
    evidence: str
    contributors: list[EventContributor]


@_exact
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


@_exact
class RewardEvents(TypedDict):
    """A page of the reward ledger, in commit order."""

    reward_events: list[RewardEvent]


@_exact
class Finding(TypedDict):
    """A write that the audit policy let pass, and the rules that would have refused it."""

    name: str
    version: Annotated[
        VersionNumber | None, Field(description="Null where it is the model's own token.")
    ]
    codes: list[str]
    message: str
    found_timestamp: Milliseconds


@_exact
class Findings(TypedDict):
    """A page of findings, by model and version."""

    findings: list[Finding]
    next_page_token: NotRequired[PageToken]


class Error(TypedDict):
    """MLflow's error body."""

    error_code: Annotated[str, Field(examples=["INVALID_PARAMETER_VALUE"])]
    message: str
