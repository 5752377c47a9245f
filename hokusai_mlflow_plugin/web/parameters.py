"""The parameters of each route; pydantic parses and checks them.

Source: design section 3.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hokusai_mlflow_plugin.services.catalogue import DEFAULT_MAX_RESULTS, MAX_RESULTS


class Parameters(BaseModel):
    """Parameters are taken as documented or refused: an unknown one is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Page(Parameters):
    max_results: Annotated[int, Field(ge=1, le=MAX_RESULTS, description="How many at most.")] = (
        DEFAULT_MAX_RESULTS
    )
    page_token: Annotated[
        str | None, Field(description="The next_page_token of the page before.")
    ] = None


class ListByToken(_Page):
    token_id: Annotated[str, Field(description="A token id, e.g. IMG-001.")]


class GetLineage(_Page):
    name: Annotated[str, Field(description="Name of a registered model.")]
    include_ancestors: Annotated[
        bool, Field(description="Also follow parents into other models.")
    ] = False


class ListTokens(_Page):
    prefix: Annotated[str, Field(description="What the token ids begin with.")] = ""


class GetToken(Parameters):
    token_id: Annotated[str, Field(description="A token id, e.g. IMG-001.")]


class Tag(Parameters):
    key: str
    value: str


class ValidateTags(Parameters):
    tags: Annotated[list[Tag], Field(description="The tags of a version to be registered.")]
