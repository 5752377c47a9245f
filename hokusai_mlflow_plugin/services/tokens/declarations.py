"""Declarations of tokens as they are answered.

Source: R18.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.tokens import token_owners
from hokusai_mlflow_plugin.domain.errors import TokenNotDeclared
from hokusai_mlflow_plugin.settings import Settings, TokensPolicy

Json = dict[str, Any]


def declaration_json(
    connection: Connection, workspace: str, token_id: str, settings: Settings
) -> Json:
    """A token's declaration.

    Shape: ``declaration``: ``token_id``, ``metrics`` (canonical names, in order), ``publishers``
    (in order), ``ceiling_pp`` (null for none), ``declared_timestamp``, ``closed_timestamp`` (ms;
    null while it is open), ``is_enforced``: whether this registry asks for declarations at all.

    Raises:
        TokenNotDeclared: It has none in this workspace.
    """
    row = token_owners.read_token(connection, token_id)
    if row is None or row["workspace"] != workspace or row["metrics"] is None:
        raise TokenNotDeclared(token_id)
    publishers = token_owners.read_publishers(connection, token_id)
    return {"declaration": _declaration(row, publishers, settings)}


def owner_json(connection: Connection, workspace: str, token_id: str, settings: Settings) -> Json:
    """To whom a token belongs, by one statement.

    Shape: ``workspace`` (null where no use of it was claimed yet); ``is_elsewhere``: whether that
    is another than the asker's; ``is_enforced``; ``declaration`` as :func:`declaration_json` has
    it, null where the asker's workspace has none.
    """
    rows = token_owners.read_with_publishers(connection, token_id)
    owner = rows[0]["workspace"] if rows else None
    declaration = None
    if rows and owner == workspace and rows[0]["metrics"] is not None:
        publishers = [row["publisher"] for row in rows if row["publisher"] is not None]
        declaration = _declaration(rows[0], publishers, settings)
    return {
        "workspace": owner,
        "is_elsewhere": owner not in (None, workspace),
        "is_enforced": settings.tokens is TokensPolicy.DECLARED,
        "declaration": declaration,
    }


def _declaration(row: RowMapping, publishers: Sequence[str], settings: Settings) -> Json:
    return {
        "token_id": row["token_id"],
        "metrics": json.loads(row["metrics"]),
        "publishers": list(publishers),
        "ceiling_pp": row["ceiling_pp"],
        "declared_timestamp": row["declared_time"],
        "closed_timestamp": row["closed_time"],
        "is_enforced": settings.tokens is TokensPolicy.DECLARED,
    }
