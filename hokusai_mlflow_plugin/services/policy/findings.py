"""The audit policy: nothing is refused, and what would have been is on record until it conforms.

Source: R5.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.domain.errors import TagsLocked, TagsRefused


def record(
    connection: Connection,
    key: VersionId,
    creation_time_ms: int,
    refusal: TagsRefused | TagsLocked,
    actor: str | None,
) -> None:
    """Put a would-be refusal on record, in the transaction of the write that passed.

    Args:
        connection: The connection of that transaction.
        key: The version; with number ``finding_rows.OF_MODEL`` the registered model itself.
        creation_time_ms: The version's; 0 for a model.
        refusal: What another policy would have answered.
        actor: Whose request the write came from; None where the server has no users.
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
            "actor": actor,
        },
    )


def codes_of(refusal: TagsRefused | TagsLocked) -> list[str]:
    """The rule codes of a refusal, each once."""
    if isinstance(refusal, TagsLocked):
        return ["tags_locked"]
    return sorted({violation.code for violation in refusal.violations})
