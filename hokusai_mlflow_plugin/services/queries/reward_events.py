"""Reading the reward ledger: the feed, and who earned what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import check_token_id
from hokusai_mlflow_plugin.services import visibility
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    SEQUENCE,
    require_in,
    require_max_results,
)
from hokusai_mlflow_plugin.services.rewards.improvements import is_visible
from hokusai_mlflow_plugin.services.rewards.ledger import event_of
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


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
    and misses nothing. Shape: ``reward_events``. An event is hashed whole, so it is shown whole to
    who may read both models that it names, or not at all.

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
    events = visibility.fill(
        lambda start, count: [
            event_of(row)
            for row in ledger_rows.read_events(connection, workspace, start, count, token_id)
        ],
        lambda event: int(event["sequence"]),
        after,
        max_results,
        lambda event: visible.all or is_visible(event, visible),
    )
    return {"reward_events": events}
