"""The audit policy: nothing is refused, and what would have been is on record until it conforms.

Source: design R5.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.domain.errors import InvalidRequest, TagsLocked, TagsRefused
from hokusai_mlflow_plugin.services.queries import pagination

DEFAULT_MAX_RESULTS = 100
MAX_RESULTS = 1000

Json = dict[str, Any]


def record(
    connection: Connection,
    key: VersionId,
    creation_time_ms: int,
    refusal: TagsRefused | TagsLocked,
) -> None:
    """Put a would-be refusal on record, in the transaction of the write that passed.

    Args:
        connection: The connection of that transaction.
        key: The version; with number ``finding_rows.OF_MODEL`` the registered model itself.
        creation_time_ms: The version's; 0 for a model.
        refusal: What another policy would have answered.
    """
    finding_rows.put(
        connection,
        {
            "workspace": key.workspace,
            "name": key.name,
            "version": key.version,
            "creation_time": creation_time_ms,
            "codes": ",".join(codes_of(refusal)),
            "message": str(refusal),
            "found_time": time.time_ns() // 1_000_000,
        },
    )


def codes_of(refusal: TagsRefused | TagsLocked) -> list[str]:
    """The rule codes of a refusal, each once."""
    if isinstance(refusal, TagsLocked):
        return ["tags_locked"]
    return sorted({violation.code for violation in refusal.violations})


def list_findings(
    connection: Connection,
    workspace: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
) -> Json:
    """What the audit policy let pass and does not conform yet, by model and version.

    Shape: ``findings``: ``name``, ``version`` (null for the model's own token), ``codes``,
    ``message``, ``found_timestamp`` (ms); ``next_page_token`` where there are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    if not 1 <= max_results <= MAX_RESULTS:
        raise InvalidRequest(
            f"Parameter max_results is {max_results}; use a whole number from 1 to {MAX_RESULTS}."
        )
    question = ("policy",)
    position = pagination.decode(page_token, question, (str, int))
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
            }
            for row in page
        ]
    }
    if len(rows) > max_results:
        last = page[-1]
        answer["next_page_token"] = pagination.encode(question, (last["name"], last["version"]))
    return answer
