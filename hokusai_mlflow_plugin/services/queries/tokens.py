"""Tokens, as JSON-ready dictionaries.

The REST routes and the in-process client give the same answers because both come from here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    TokenNotFound,
)
from hokusai_mlflow_plugin.domain.tokens import is_token_prefix, require_token_id, shown
from hokusai_mlflow_plugin.services.queries import pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    require_max_results,
)
from hokusai_mlflow_plugin.services.rewards.improvements import has_events
from hokusai_mlflow_plugin.services.tokens import token_summaries
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


def list_tokens(
    connection: Connection,
    workspace: str,
    prefix: str = "",
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Tokens that have versions, in the order of their ids.

    Shape: ``tokens``: ``token_id``, ``model_count``, ``version_count``,
    ``last_registered_timestamp`` (ms), ``series`` with their heads; ``next_page_token`` where
    there are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_max_results(max_results)
    if not is_token_prefix(prefix):
        raise InvalidRequest(
            f"Parameter prefix is {shown(prefix)}: no token id begins so. Use upper-case ASCII "
            "letters, digits and hyphens."
        )
    query = ("tokens", prefix)
    position = pagination.decode(page_token, query, (str,))
    after = "" if position is None else str(position[0])
    rows = token_summaries.tokens(connection, workspace, prefix, after, max_results + 1, visible)
    page = rows[:max_results]
    token_summaries.add_series(connection, workspace, page, visible)
    answer: Json = {"tokens": page}
    if len(rows) > max_results:
        answer["next_page_token"] = pagination.encode(query, (page[-1]["token_id"],))
    return answer


def get_token(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> Json:
    """One token: the fields of :func:`list_tokens` and its payable ``contributors``.

    For who may not read all that the token's reward events are about, improvements are added up
    event by event, of 10,000 at most: ``improvements_until`` is there where more follow.

    One whose versions are all deleted stays as long as the ledger has reward events of it: with no
    version and no time.

    Raises:
        InvalidRequest: The token id is malformed.
        TokenNotFound: The asker may read no live version that carries it, and no reward event.
    """
    require_token_id(token_id)
    total = token_summaries.token(connection, workspace, token_id, visible)
    if total is None and has_events(connection, workspace, token_id, visible):
        total = token_summaries.without_versions(token_id)
    if total is None:
        raise TokenNotFound(token_id)
    token_summaries.add_series(connection, workspace, [total], visible)
    people = token_summaries.contributors(connection, workspace, token_id, visible)
    return {"token": {**total, **people}}
