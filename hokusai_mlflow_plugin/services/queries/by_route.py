"""The questions that the registry answers, by path.

One table for the REST routes and for the client that opens the store in its own process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.policy import findings
from hokusai_mlflow_plugin.services.queries import deltaone, reward_events, token_queries

Question = Callable[..., dict[str, Any]]
"""Takes a connection, a workspace and its parameters by name.

One that has a parameter ``metrics`` gets the metric catalogue of the registry that is asked.
"""


def _validate_tags(
    _connection: Connection,
    _workspace: str,
    tags: Sequence[Mapping[str, str]],
    metrics: Catalogue,
) -> dict[str, Any]:
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["key"], tag["value"]
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"Parameter tags has two values for key {shown(key)}.")
    return token_queries.validate_tags(found, metrics)


QUESTIONS: Mapping[str, Question] = {
    "model-versions/list-by-token": token_queries.list_by_token,
    "registered-models/lineage": token_queries.lineage,
    "tokens/list": token_queries.list_tokens,
    "tokens/get": token_queries.get_token,
    "tags/validate": _validate_tags,
    "deltaone/detect": deltaone.detect,
    "reward-events/list": reward_events.list_events,
    "policy/list": findings.list_findings,
}
