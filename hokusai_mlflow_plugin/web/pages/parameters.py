"""The parameters of each page; all are in the query, as a link has them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hokusai_mlflow_plugin.services.queries.pagination import SEQUENCE, VERSION
from hokusai_mlflow_plugin.web.api.parameter_types import DIGITS, ModelName, Text, TokenId
from hokusai_mlflow_plugin.web.api.parameters import ListTokens, Parameters, StateName


def _trimmed(given: object) -> object:
    """What people typed into a field or pasted there."""
    return given.strip() if isinstance(given, str) else given


def _given(given: object) -> object:
    """A field of a form that was left empty is not given."""
    return _trimmed(given) or None


Workspace = Annotated[
    Text | None, Field(description="The workspace that the page is about; by default the server's.")
]
PageToken = Annotated[Text | None, Field(description="Of the link to the next page.")]
Axis = Annotated[
    Literal["order", "time"], Field(description="What a chart's values are drawn over.")
]


Field_ = Annotated[Text | None, BeforeValidator(lambda given: given or None)]
"""As it was typed, blanks included: they are what may be wrong with it."""


class PageParameters(Parameters):
    """What every page takes."""

    workspace: Workspace = None


class TokensPage(PageParameters):
    """The parameters of the list of tokens."""

    prefix: Annotated[Text, BeforeValidator(_trimmed), ListTokens.model_fields["prefix"]] = ""
    page_token: PageToken = None


class TokenPage(PageParameters):
    """The parameters of one token's page."""

    token_id: Annotated[TokenId, BeforeValidator(_trimmed)]
    page_token: PageToken = None
    over: Axis = "order"


class ModelPage(PageParameters):
    """The parameters of a model's page."""

    name: ModelName
    before: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=VERSION[-1]), DIGITS] | None,
        Field(description="Only versions below this number."),
    ] = None
    over: Axis = "order"


class VersionPage(PageParameters):
    """The parameters of a version's page."""

    name: ModelName
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION[-1]), DIGITS]
    page_token: PageToken = None


class LedgerPage(PageParameters):
    """The parameters of the ledger's page."""

    token_id: Annotated[TokenId | None, BeforeValidator(_given)] = None
    state: Annotated[StateName | None, BeforeValidator(_given)] = None
    before: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=SEQUENCE[-1]), DIGITS] | None,
        Field(description="Only events below this sequence number."),
    ] = None


class EventPage(PageParameters):
    """The parameters of an event's page."""

    id: Annotated[Text, BeforeValidator(_trimmed), Field(max_length=36)]


class FindingsPage(PageParameters):
    """The parameters of the page of findings."""

    page_token: PageToken = None


class TryPage(PageParameters):
    """The fields of the form that tries tags; one that is left empty is no tag."""

    hokusai_token_id: Field_ = None
    benchmark_metric: Field_ = None
    benchmark_value: Field_ = None
    contributor_address: Field_ = None
    benchmark_direction: Field_ = None
    previous_version: Field_ = None
    name: Field_ = None
