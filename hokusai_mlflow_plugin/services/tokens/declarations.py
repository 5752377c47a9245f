"""Declarations of tokens as they are answered.

Source: R18.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

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
    return {
        "declaration": {
            "token_id": token_id,
            "metrics": json.loads(row["metrics"]),
            "publishers": list(token_owners.read_publishers(connection, token_id)),
            "ceiling_pp": row["ceiling_pp"],
            "declared_timestamp": row["declared_time"],
            "closed_timestamp": row["closed_time"],
            "is_enforced": settings.tokens is TokensPolicy.DECLARED,
        }
    }
