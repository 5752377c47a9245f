"""The queries that the registry answers, by route.

One table for the REST routes and for the client that opens the store in its own process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hokusai_mlflow_plugin.services.queries import (
    checkpoints,
    declarations,
    deltaone,
    findings,
    history,
    lineage,
    reward_events,
    tag_validation,
    tokens,
    versions_of_token,
)

Query = Callable[..., dict[str, Any]]
"""Takes a connection, a workspace and its parameters by name.

One that has a parameter ``metrics`` or ``settings`` gets the metric catalogue or the settings of
the registry that is asked; as ``user``, who asks; as ``claims_tokens``, whether a first use gives a
token to its workspace.
"""


QUERIES: Mapping[str, Query] = {
    "model-versions/list-by-token": versions_of_token.list_by_token,
    "registered-models/lineage": lineage.get_lineage,
    "tokens/list": tokens.list_tokens,
    "tokens/get": tokens.get_token,
    "tags/validate": tag_validation.validate_tags,
    "deltaone/detect": deltaone.detect,
    "reward-events/list": reward_events.list_events,
    "reward-events/checkpoint": checkpoints.get_checkpoint,
    "policy/list": findings.list_findings,
    "registered-models/history": history.model_history,
    "tokens/history": history.token_history,
    "tokens/publishers": declarations.get_declaration,
    "tokens/check": declarations.check_tokens,
}

LIKE_A_WRITE = frozenset((tag_validation.validate_tags, tag_validation.try_tags))
"""Queries that say what a write would: by the primary database, which judges those (R18). A replica
that lags behind would refuse who was just made a publisher.
"""
