"""The parameters of each route; pydantic parses and checks them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT
from hokusai_mlflow_plugin.domain.tokens import MAX_LENGTH
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
    SEQUENCE,
    VERSION,
)
from hokusai_mlflow_plugin.services.rewards.settlement import MAX_REFERENCE
from hokusai_mlflow_plugin.web.api.parameter_types import (
    DIGITS,
    TRUE_OR_FALSE,
    EventId,
    MaxResults,
    Metrics,
    ModelName,
    Publishers,
    Reason,
    Text,
    TokenId,
)


class Parameters(BaseModel):
    """Parameters are taken as documented or refused: an unknown one is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Parameters):
    """A route without parameters."""


class _Page(Parameters):
    max_results: MaxResults = DEFAULT_MAX_RESULTS
    page_token: Annotated[
        Text | None,
        Field(
            description="The next_page_token of the page before, with the same other parameters; "
            "any other text is refused (400). Empty as left out: the first page."
        ),
    ] = None


class ListByToken(_Page):
    token_id: TokenId


class GetLineage(_Page):
    name: ModelName
    include_ancestors: Annotated[
        bool,
        Field(strict=True, description="Also follow parents into other models."),
        TRUE_OR_FALSE,
    ] = False


class GetModelHistory(_Page):
    name: ModelName


class GetTokenHistory(_Page):
    token_id: TokenId


class ListTokens(_Page):
    prefix: Annotated[
        Text,
        Field(
            description="What the token ids begin with.",
            json_schema_extra={"pattern": "^([A-Z][A-Z0-9-]*)?$", "maxLength": MAX_LENGTH},
        ),
    ] = ""


class GetToken(Parameters):
    token_id: TokenId


class DeclareToken(Parameters):
    token_id: TokenId
    metrics: Metrics
    publishers: Annotated[
        Publishers | None,
        Field(description="Who may put it on versions. Left out: who may in this workspace."),
    ] = None
    ceiling_pp: Annotated[
        Text | None,
        Field(
            description="The most percentage points that one event may be worth without a review, "
            "an exact decimal; null for no ceiling.",
        ),
    ] = None
    reassign: Annotated[
        bool, Field(strict=True, description="Take the token from another workspace.")
    ] = False


class ChangePublishers(Parameters):
    token_id: TokenId
    publishers: Publishers


class CloseToken(Parameters):
    token_id: TokenId


class CheckTokens(_Page):
    undeclared: Annotated[
        bool,
        Field(strict=True, description="Also tokens that have series and no declaration."),
        TRUE_OR_FALSE,
    ] = False


class Tag(Parameters):
    key: Text
    value: Text


class ValidateTags(Parameters):
    tags: Annotated[
        list[Tag],
        FailFast(),  # a body of half a million faults would take most of a gigabyte
        Field(
            description="The tags of a version to be registered; one key with two values is "
            "refused (400)."
        ),
    ]
    name: Annotated[
        Text | None,
        Field(
            description="The registered model that it is to be a version of, to have looked up "
            "whether it is there, and a version that previous_version names.",
        ),
    ] = None


class Detect(_Page):
    name: ModelName
    version: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=VERSION[-1]), DIGITS] | None,
        Field(description="A version of the model. By default the latest tokenised one."),
    ] = None


class ApproveEvent(Parameters):
    id: EventId


class RevokeEvent(Parameters):
    id: EventId
    reason: Reason


class Payee(Parameters):
    address: Text
    weight: Annotated[int, Field(strict=True, ge=1, le=FULL_WEIGHT)]


class NamePayees(Parameters):
    id: EventId
    contributors: Annotated[
        list[Payee],
        FailFast(),
        Field(
            description="Ethereum addresses and their shares, in basis points that sum to 10000.",
            min_length=1,
            max_length=100,
        ),
    ]
    reason: Reason


class RebaseSeries(Parameters):
    token_id: TokenId
    benchmark_metric: Annotated[Text, Field(description="By any of the metric's names.")]
    reason: Reason


class SettleEvent(Parameters):
    id: EventId
    status: Annotated[
        Literal["paid", "rejected"], Field(description="What the reward service did about it.")
    ]
    reference: Annotated[
        Text,
        Field(
            description="What the reward service knows it by, e.g. the hash of a transaction: "
            "printable, without a blank at either end.",
            json_schema_extra={"minLength": 1, "maxLength": MAX_REFERENCE},
        ),
    ]


StateName = Literal["recorded", "in_review", "delivered", "settled", "revoked"]


class ListRewardEvents(Parameters):
    after: Annotated[
        int,
        Field(
            strict=True,
            ge=0,
            le=SEQUENCE[-1],
            description="Sequence number of the last event known.",
        ),
        DIGITS,
    ] = 0
    max_results: MaxResults = DEFAULT_MAX_RESULTS
    token_id: Annotated[TokenId | None, Field(description="Only events of this token.")] = None
    state: Annotated[
        StateName | None,
        Field(description="Only events that stand so now."),
    ] = None
    since: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=MILLISECONDS[-1]), DIGITS] | None,
        Field(description="Only events of this time (epoch milliseconds) or later."),
    ] = None


class ListFindings(_Page):
    pass
