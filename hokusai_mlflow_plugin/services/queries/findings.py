"""What the audit policy let pass and does not conform yet (R5)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.services.queries import pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    VERSION,
    require_max_results,
)

Json = dict[str, Any]


def list_findings(
    connection: Connection,
    workspace: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
) -> Json:
    """What the audit policy let pass and does not conform yet, by model and version.

    Shape: ``findings``: ``name``, ``version`` (null for the model's own token), ``codes``,
    ``message``, ``found_timestamp`` (ms), ``actor``; ``next_page_token`` where there are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_max_results(max_results)
    query = ("policy",)
    position = pagination.decode(page_token, query, (str, VERSION))
    after = ("", 0) if position is None else (str(position[0]), int(position[1]))
    rows = finding_rows.read_findings(connection, workspace, after, max_results + 1)
    page = rows[:max_results]
    answer: Json = {
        "findings": [
            {
                "name": row["name"],
                "version": str(row["version"]) if row["version"] else None,
                "codes": row["codes"].split(","),
                "message": row["message"],
                "found_timestamp": row["found_time"],
                "actor": row["actor"],
            }
            for row in page
        ]
    }
    if len(rows) > max_results:
        last = page[-1]
        answer["next_page_token"] = pagination.encode(query, (last["name"], last["version"]))
    return answer
