"""The routes: one table, from which the blueprint is made.

Source: design section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services import catalogue
from hokusai_mlflow_plugin.web import parameters
from hokusai_mlflow_plugin.web.parameters import Parameters

PREFIXES = ("/api/2.0/hokusai/", "/ajax-api/2.0/hokusai/")


@dataclass(frozen=True)
class Route:
    """One REST route: its fixed path under each prefix, and the question that it puts."""

    method: str
    path: str
    parameters: type[Parameters]
    question: Callable[..., dict[str, Any]]
    """Takes a connection, a workspace and the parsed parameters by name."""
    summary: str

    @property
    def endpoint(self) -> str:
        return self.path.replace("/", "_").replace("-", "_")


def _validate_tags(_connection: Connection, _workspace: str, tags: list[Any]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for tag in tags:
        if found.setdefault(tag.key, tag.value) != tag.value:
            raise InvalidRequest(f"Parameter tags has two values for key {shown(tag.key)}.")
    return catalogue.validate_tags(found)


ROUTES = (
    Route(
        "GET",
        "model-versions/list-by-token",
        parameters.ListByToken,
        catalogue.list_by_token,
        "Model versions of a token, newest first.",
    ),
    Route(
        "GET",
        "registered-models/lineage",
        parameters.GetLineage,
        catalogue.lineage,
        "Tokenised versions of a model, oldest first, each with its parent.",
    ),
    Route(
        "GET",
        "tokens/list",
        parameters.ListTokens,
        catalogue.list_tokens,
        "Tokens that have model versions.",
    ),
    Route(
        "GET",
        "tokens/get",
        parameters.GetToken,
        catalogue.get_token,
        "One token and its contributors.",
    ),
    Route(
        "POST",
        "tags/validate",
        parameters.ValidateTags,
        _validate_tags,
        "What a registration with these tags would be refused for; writes nothing.",
    ),
)
