"""Reading the reward ledger: the feed, and who earned what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import event_rows
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.reward_events import EventState
from hokusai_mlflow_plugin.domain.tokens import check_token_id, shown
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
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
    state: str | None = None,
    since: int | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Reward events in commit order, and how each stands.

    The sequence of a workspace has no gaps: whoever has read up to N asks for what comes after N
    and misses nothing. Shape: ``reward_events``; ``states``, by the events' ids (R20);
    ``next_after`` where the answer ends early: so many events follow that are not asked for, or
    that the asker may not read, that it stopped looking there. An event is hashed whole, so it is
    shown whole to who may read both models that it is about, or not at all; how it stands is no
    part of it.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        after: Sequence number of the last event that is known; 0 for all.
        max_results: How many events at most, 1 to 1000.
        token_id: Only events of this token.
        state: Only events that stand so now, one of ``EventState``.
        since: Only events of this time (ms) or later.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_max_results(max_results)
    require_in(SEQUENCE, "after", after)
    if token_id is not None and (violation := check_token_id(token_id)):
        raise InvalidRequest(violation.message)
    if state is not None and state not in {each.value for each in EventState}:
        known = ", ".join(each.value for each in EventState)
        raise InvalidRequest(f"Parameter state is {shown(state)}: use one of {known}.")
    if since is not None:
        require_in(MILLISECONDS, "since", since)
    asked = [] if state is None else [event_rows.in_state(state)]
    asked += [] if since is None else [event_rows.since(since)]
    if visible.all and not asked:
        rows = event_rows.read_events(connection, workspace, after, max_results, token_id)
        return _answer(connection, workspace, rows)
    scanned = event_rows.read_models_of_events(
        connection, workspace, after, MAX_SCANNED, token_id, *asked
    )
    found = [row["sequence"] for row in scanned if visible.all or is_visible(row, visible)]
    rows = event_rows.read_events_at(connection, workspace, found[:max_results])
    answer = _answer(connection, workspace, rows)
    if len(found) < max_results:
        last = event_rows.last_scanned(connection, workspace, after, MAX_SCANNED, token_id)
        if last is not None:
            answer["next_after"] = last
    return answer


def _answer(connection: Connection, workspace: str, rows: Sequence[RowMapping]) -> Json:
    states = event_rows.read_states(connection, workspace, [row["sequence"] for row in rows])
    return {"reward_events": [event_of(row) for row in rows], "states": dict(states)}
