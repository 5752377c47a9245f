"""The parameters of each route; pydantic parses and checks them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field

from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT
from hokusai_mlflow_plugin.domain.tokens import MAX_LENGTH
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MAX_RESULTS,
    MILLISECONDS,
    SEQUENCE,
    VERSION,
)
from hokusai_mlflow_plugin.services.rewards.corrections import MAX_REASON
from hokusai_mlflow_plugin.services.rewards.settlement import MAX_REFERENCE
from hokusai_mlflow_plugin.services.tokens.declaring import MAX_METRICS, MAX_PUBLISHERS

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def _whole(given: Any) -> Any:
    """A query parameter's digits as a number; pydantic alone takes ``1_0`` and `` 5 ``, too."""
    if isinstance(given, str):
        if _WHOLE.fullmatch(given) is None:
            raise ValueError("use a whole number in decimal digits")
        return int(given)
    return given


def _flag(given: Any) -> Any:
    """A query parameter's ``true`` or ``false``; pydantic alone takes ``on``, ``Y`` and ``1``."""
    flags: dict[Any, bool] = {"true": True, "false": False}
    if isinstance(given, str):
        if given not in flags:
            raise ValueError("use true or false")
        return flags[given]
    return given


def _storable(text: str) -> str:
    """Text that every database can hold: no NUL (PostgreSQL), and nothing that is not Unicode."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be stored")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half a surrogate pair cannot be stored")
    return text


def _no_longer_than(length: int) -> Callable[[str], str]:
    """Text of so many characters at most: what is longer names nothing, and is not looked up."""

    def check(text: str) -> str:
        if len(text) > length:
            raise ValueError(f"use at most {length} characters")
        return text

    return check


DIGITS = BeforeValidator(_whole)
_TRUE_OR_FALSE = BeforeValidator(_flag)
Text = Annotated[
    str,
    # For the API's description; what checks it has the better message.
    Field(strict=True, json_schema_extra={"pattern": r"^[^\u0000]*$"}),
    AfterValidator(_storable),
]
TokenId = Annotated[
    Text,
    Field(
        description="A token id, e.g. IMG-001.",
        # For the API's description; the rule and its message are in domain.tokens.
        json_schema_extra={
            "pattern": "^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$",
            "maxLength": MAX_LENGTH,
            "examples": ["IMG-001"],
        },
    ),
]
ModelName = Annotated[
    Text,
    Field(
        description="Name of a registered model.",
        json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000]+$"},
    ),
]
MaxResults = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_RESULTS, description="How many items at most."),
    DIGITS,
]


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
        _TRUE_OR_FALSE,
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


# Bounded here, too: each item that is at fault would be a fault of its own.
Metrics = Annotated[
    list[Text],
    Field(
        strict=True,
        min_length=1,
        max_length=MAX_METRICS,
        description="Names of the metrics that it pays for.",
    ),
]
Publishers = Annotated[
    list[Text], Field(strict=True, max_length=MAX_PUBLISHERS, description="Names of users.")
]


class DeclareToken(Parameters):
    token_id: TokenId
    metrics: Metrics
    publishers: Annotated[
        Publishers | None,
        Field(description="Who may put it on versions. Left out: who may already."),
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
        _TRUE_OR_FALSE,
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
            "whether there is one that previous_version names.",
        ),
    ] = None


class Detect(_Page):
    name: ModelName
    version: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=VERSION[-1]), DIGITS] | None,
        Field(description="A version of the model. By default the latest tokenised one."),
    ] = None


EventId = Annotated[
    Text,
    Field(
        description="Id of a reward event.",
        json_schema_extra={"maxLength": 36, "examples": ["123dc0d1-e38d-5ef1-84c0-b3b53dec3bef"]},
    ),
    AfterValidator(_no_longer_than(36)),
]
Reason = Annotated[
    Text,
    Field(
        description="Why, in a sentence; it is kept, and is in the event that the receiver gets.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_REASON, "pattern": r"[^\s\u0000]"},
    ),
]


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
        Literal["recorded", "in_review", "delivered", "settled", "revoked"] | None,
        Field(description="Only events that stand so now."),
    ] = None
    since: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=MILLISECONDS[-1]), DIGITS] | None,
        Field(description="Only events of this time (epoch milliseconds) or later."),
    ] = None


class ListFindings(_Page):
    pass
