"""Reading the reward ledger: the feed, and who earned what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.db.rewards.ledger_rows import event_of
from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import check_token_id
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    SEQUENCE,
    require_in,
    require_max_results,
)
from hokusai_mlflow_plugin.services.rewards.improvements import is_visible
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

MAX_SCANNED = 10_000
"""Events that one request looks at, for an asker who may not read all of them."""


def list_events(
    connection: Connection,
    workspace: str,
    after: int = 0,
    max_results: int = DEFAULT_MAX_RESULTS,
    token_id: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Reward events in commit order.

    The sequence of a workspace has no gaps: whoever has read up to N asks for what comes after N
    and misses nothing. Shape: ``reward_events``; ``next_after`` where the answer ends early: so
    many events follow that the asker may not read that it stopped looking there. An event is hashed
    whole, so it is shown whole to who may read both models that it is about, or not at all.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        after: Sequence number of the last event that is known; 0 for all.
        max_results: How many events at most, 1 to 1000.
        token_id: Only events of this token.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_max_results(max_results)
    require_in(SEQUENCE, "after", after)
    if token_id is not None and (violation := check_token_id(token_id)):
        raise InvalidRequest(violation.message)
    if visible.all:
        rows = ledger_rows.read_events(connection, workspace, after, max_results, token_id)
        return {"reward_events": [event_of(row) for row in rows]}
    scanned = ledger_rows.read_models_of_events(connection, workspace, after, MAX_SCANNED, token_id)
    found = [row["sequence"] for row in scanned if is_visible(row, visible)][:max_results]
    rows = ledger_rows.read_events_at(connection, workspace, found)
    answer: Json = {"reward_events": [event_of(row) for row in rows]}
    if len(found) < max_results and len(scanned) == MAX_SCANNED:
        answer["next_after"] = scanned[-1]["sequence"]
    return answer
