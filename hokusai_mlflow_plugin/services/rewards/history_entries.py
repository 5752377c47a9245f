"""What was done about a reward goes into the history of its model and token, in its transaction.

Beside the rows that keep it for good (R19, R20): the history has it in order with all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite

Json = dict[str, Any]


class Action(Enum):
    """What is done about rewards."""

    REVOKED = "reward_revoked"
    PAYEES_NAMED = "reward_payees_named"
    REBASED = "series_rebased"
    APPROVED = "reward_approved"
    REJECTED = "reward_rejected"
    SETTLED = "reward_settled"


def decision_of_event(connection: Connection, row: RowMapping) -> Json | None:
    """The decision that an event rests on, its model locked; None where it is gone.

    A model that was renamed meanwhile would leave the entry behind under its old name, which
    another model may have by now, with other readers.

    Raises:
        ConcurrentWrite: It has just been renamed; to be begun again.
    """
    workspace, decision_id = row["workspace"], row["decision_id"]
    decision = decision_log.read_decision(connection, workspace, decision_id)
    if decision is None:
        return None
    models = {ModelId(workspace, decision["name"])}
    live_versions.lock_models(connection, live_versions.those_there(connection, models))
    locked = decision_log.read_decision(connection, workspace, decision_id)
    if locked is None or locked["name"] != decision["name"]:
        raise ConcurrentWrite("The model of this event has just been renamed.")
    return locked


def put_on_record(
    connection: Connection,
    action: Action,
    event: RowMapping | Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    actor: str | None,
    time_ms: int,
    **details: Any,
) -> None:
    """Put on record what was done about a reward.

    Args:
        connection: The connection of what is done.
        action: What is done.
        event: The row of the event that it is about: its ``workspace`` and ``token_id``.
        decision: On the version that it is about, for its name and number of today. None where it
            is gone: then only who may read every model is told of the entry.
        actor: Whose request it came from; None where the server has no users, or on the database.
        time_ms: The time.
        **details: What else there is to tell.
    """
    name, version = (decision["name"], decision["version"]) if decision else (None, None)
    entry = history_rows.Entry(
        event["workspace"], action.value, time_ms, actor, event["token_id"], name, version, details
    )
    history_rows.write(connection, [entry])
