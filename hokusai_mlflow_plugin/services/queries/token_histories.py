"""Tokens with the history of their values, for pages that draw it.

Made of the routes' own queries, so that both show the same to the same asker.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import token_pages
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.queries.versions_of_token import decided_by_token
from hokusai_mlflow_plugin.services.tokens.declarations import owner_json
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible
from hokusai_mlflow_plugin.settings import Settings

Json = dict[str, Any]

VERSIONS_PER_PAGE = 100


def tokens_with_history(
    connection: Connection,
    workspace: str,
    prefix: str = "",
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """The answer of ``tokens/list`` with the latest values of each token.

    Shape: each of ``tokens`` also has ``latest``: ``token_id``, ``name``, ``version``,
    ``benchmark_metric``, ``benchmark_value``, ``creation_time``, ``outcome``, ``baseline_value``,
    oldest first.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    count = token_pages.MAX_TOKENS
    answer = list_tokens(connection, workspace, prefix, count, page_token, visible)
    by_token: dict[str, list[Json]] = {token["token_id"]: [] for token in answer["tokens"]}
    if by_token:
        for row in token_pages.latest_of_tokens(connection, workspace, list(by_token)):
            if row["name"] in visible:
                by_token[row["token_id"]].append(dict(row))
    for token in answer["tokens"]:
        token["latest"] = sorted(by_token[token["token_id"]], key=_age)
    return answer


def token_with_history(
    connection: Connection,
    workspace: str,
    token_id: str,
    settings: Settings,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """The answer of ``tokens/get``, and a page of its versions with their decisions, newest first.

    Shape: those of both; ``owner``: what :func:`owner_json` tells, None for who is no
    administrator: so has it the route ``tokens/publishers``.

    Raises:
        InvalidRequest: A parameter cannot be used.
        TokenNotFound: As ``tokens/get`` has it.
    """
    answer = get_token(connection, workspace, token_id, visible)
    versions = decided_by_token(
        connection, workspace, token_id, VERSIONS_PER_PAGE, page_token, visible
    )
    owner = owner_json(connection, workspace, token_id, settings) if visible.all else None
    return {**answer, **versions, "owner": owner}


def _age(point: Json) -> tuple[int, str, int]:
    return point["creation_time"], point["name"], point["version"]
