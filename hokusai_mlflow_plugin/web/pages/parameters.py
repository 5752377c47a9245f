"""The parameters of each page; all are in the query, as a link has them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hokusai_mlflow_plugin.web.api.parameters import ListTokens, Parameters, Text, TokenId


def _trimmed(given: object) -> object:
    """What people typed into a field or pasted there."""
    return given.strip() if isinstance(given, str) else given


Workspace = Annotated[
    Text | None, Field(description="The workspace that the page is about; by default the server's.")
]
PageToken = Annotated[Text | None, Field(description="Of the link to the next page.")]
Axis = Annotated[
    Literal["order", "time"], Field(description="What a chart's values are drawn over.")
]


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
