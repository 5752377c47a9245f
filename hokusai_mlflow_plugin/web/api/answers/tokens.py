"""Tokens, their series and their contributors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from hokusai_mlflow_plugin.web.api.answers.common import (
    DirectionName,
    Exact,
    Milliseconds,
    PageToken,
    Points,
    VersionNumber,
    exact_fields,
)


@exact_fields
class SeriesHead(TypedDict):
    """The value that a new one has to beat, and its version where that is known."""

    name: str | None
    version: VersionNumber | None
    value: Exact


@exact_fields
class Series(TypedDict):
    """The values of one metric under one token."""

    benchmark_metric: str
    direction: DirectionName
    baseline_value: Exact
    head: SeriesHead


@exact_fields
class Totals(TypedDict):
    """A token and its totals."""

    token_id: str
    model_count: int
    version_count: int
    series: list[Series]


@exact_fields
class Token(Totals):
    """A token that live versions carry."""

    last_registered_timestamp: Milliseconds


@exact_fields
class Tokens(TypedDict):
    """A page of tokens, in the order of their ids."""

    tokens: list[Token]
    next_page_token: NotRequired[PageToken]


@exact_fields
class Improvement(TypedDict):
    """What a contributor achieved in one metric."""

    benchmark_metric: str
    deltaone_count: int
    improvement_pp: Points


@exact_fields
class Contributor(TypedDict):
    """A payable contributor of a token."""

    contributor_address: str
    version_count: int
    last_registered_timestamp: Annotated[
        Milliseconds | None, Field(description="Null where no live version names them any more.")
    ]
    improvements: list[Improvement]


@exact_fields
class TokenWithContributors(Totals):
    """A token, its totals and its contributors."""

    last_registered_timestamp: Annotated[
        Milliseconds | None, Field(description="Null where no live version carries it any more.")
    ]
    contributors: list[Contributor]
    improvements_until: NotRequired[
        Annotated[
            int,
            Field(
                description="The improvements count the token's reward events up to this sequence "
                "number, and more follow: add them up from reward-events/list. Only for who may "
                "not read every model that the events are about."
            ),
        ]
    ]


@exact_fields
class OneToken(TypedDict):
    """One token."""

    token: TokenWithContributors
