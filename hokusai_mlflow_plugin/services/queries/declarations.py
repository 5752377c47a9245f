"""Declarations of tokens, and tokens that have more than one owner, or none (R18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.tokens import token_owners
from hokusai_mlflow_plugin.domain.tokens import require_token_id
from hokusai_mlflow_plugin.services.queries import pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    require_max_results,
)
from hokusai_mlflow_plugin.services.tokens.declarations import declaration_json
from hokusai_mlflow_plugin.settings import Settings

Json = dict[str, Any]


def get_declaration(
    connection: Connection, workspace: str, token_id: str, settings: Settings
) -> Json:
    """What a token is declared for, and who may put it on versions.

    Raises:
        InvalidRequest: The token id is malformed.
        TokenNotDeclared: It is not declared in this workspace.
    """
    require_token_id(token_id)
    return declaration_json(connection, workspace, token_id, settings)


def check_tokens(
    connection: Connection,
    _workspace: str,
    undeclared: bool = False,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
) -> Json:
    """Tokens whose series are in more workspaces than the one that they belong to, in order.

    Of the whole server, whatever workspace is asked.

    Shape: ``tokens``: ``token_id``, ``owner`` (the workspace that it belongs to), ``workspaces``
    (those in which it has series), ``is_declared``; ``next_page_token`` where there are more.

    Args:
        connection: A connection to the registry's database.
        undeclared: Those besides that ``HOKUSAI_TOKENS=declared`` would refuse: they have series,
            and no declaration.
        max_results: How many at most, 1 to 1000.
        page_token: The page to go on with.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_max_results(max_results)
    question = ("token check", str(undeclared))
    position = pagination.decode(page_token, question, (str,))
    after = "" if position is None else str(position[0])
    rows = token_owners.questionable(connection, after, max_results + 1, undeclared=undeclared)
    page = rows[:max_results]
    workspaces = token_owners.workspaces_of(connection, [row["token_id"] for row in page])
    answer: Json = {
        "tokens": [
            {
                "token_id": row["token_id"],
                "owner": row["owner"] or _owner(connection, row["token_id"], workspaces),
                "workspaces": workspaces[row["token_id"]],
                "is_declared": bool(row["is_declared"]),
            }
            for row in page
        ]
    }
    if len(rows) > max_results:
        answer["next_page_token"] = pagination.encode(question, (page[-1]["token_id"],))
    return answer


def _owner(
    connection: Connection, token_id: str, workspaces: Mapping[str, Sequence[str]]
) -> str | None:
    """The workspace that a token of which no use was claimed yet belongs to."""
    found = workspaces[token_id]
    return found[0] if len(found) == 1 else token_owners.first_workspace(connection, token_id)
