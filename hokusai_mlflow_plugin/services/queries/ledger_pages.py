"""The reward ledger for people: newest first, with deliveries and the last verification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import delivery_state, ledger_rows, verifications
from hokusai_mlflow_plugin.db.rewards.ledger_rows import event_of
from hokusai_mlflow_plugin.domain.errors import EventNotFound
from hokusai_mlflow_plugin.domain.tokens import require_token_id, shown
from hokusai_mlflow_plugin.services.queries.pagination import SEQUENCE, require_in
from hokusai_mlflow_plugin.services.queries.reward_events import MAX_SCANNED
from hokusai_mlflow_plugin.services.rewards.improvements import is_visible
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

EVENTS_PER_PAGE = 50
ATTEMPTS = 20
"""Attempts at a delivery that a page shows, the last ones."""


def newest_events(
    connection: Connection,
    workspace: str,
    token_id: str | None = None,
    before: int | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """A page of the ledger, newest first.

    Shape: ``reward_events`` as ``reward-events/list`` has them, each with its ``state`` and
    ``delivery``; ``next_before`` where there are more; ``verification``: what the last one found,
    or None, for who may see all of it.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        token_id: Only events of this token.
        before: Only events below this sequence number.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    if token_id is not None:
        require_token_id(token_id)
    if before is not None:
        require_in(SEQUENCE, "before", before)
    limit = EVENTS_PER_PAGE + 1 if visible.all else MAX_SCANNED
    scanned = ledger_rows.read_newest_events(connection, workspace, before, limit, token_id)
    found = [row["sequence"] for row in scanned if visible.all or is_visible(row, visible)]
    page = found[:EVENTS_PER_PAGE]
    rows = ledger_rows.read_events_at(connection, workspace, page)
    deliveries = delivery_state.read_deliveries(connection, workspace, page) if page else {}
    states = dict(ledger_rows.read_states(connection, workspace, page))
    answer: Json = {
        "reward_events": [
            {
                **event_of(row),
                "delivery": _delivery(deliveries.get(row["sequence"])),
                "state": states[row["event_id"]],
            }
            for row in reversed(rows)
        ],
        "verification": verifications.read(connection, workspace) if visible.all else None,
    }
    if len(found) > len(page):
        answer["next_before"] = page[-1]
    elif len(scanned) == MAX_SCANNED:
        answer["next_before"] = scanned[-1]["sequence"]
    return answer


def one_event(
    connection: Connection, workspace: str, id: str, visible: Visible = EVERYTHING
) -> Json:
    """A reward event with its neighbours and its deliveries.

    Shape: ``event``, ``previous`` and ``next`` as ``reward-events/list`` has them, the latter two
    None at an end of the ledger and where the asker may not read them; ``delivery``; ``attempts``,
    the last ones first.

    Raises:
        EventNotFound: None has this id, or none that the asker may read.
    """
    row = ledger_rows.read_event_with_models(connection, workspace, id)
    if row is None or not (visible.all or is_visible(row, visible)):
        raise EventNotFound(shown(id))
    sequence = row["sequence"]
    beside = ledger_rows.read_models_of_events(connection, workspace, sequence - 2, 3)
    wanted = [
        each["sequence"]
        for each in beside
        if abs(each["sequence"] - sequence) == 1 and (visible.all or is_visible(each, visible))
    ]
    by_sequence = {
        each["sequence"]: event_of(each)
        for each in ledger_rows.read_events_at(connection, workspace, wanted)
    }
    deliveries = delivery_state.read_deliveries(connection, workspace, [sequence])
    states = dict(ledger_rows.read_states(connection, workspace, [sequence]))
    attempts = delivery_state.read_attempts(connection, workspace, sequence, ATTEMPTS)
    return {
        "event": event_of(row),
        "previous": by_sequence.get(sequence - 1),
        "next": by_sequence.get(sequence + 1),
        "state": states[row["event_id"]],
        "delivery": _delivery(deliveries.get(sequence)),
        "attempts": [
            {key: each[key] for key in ("attempt", "attempt_time", "http_status", "error")}
            for each in attempts
        ],
    }


def _delivery(row: RowMapping | Mapping[str, Any] | None) -> Json | None:
    if row is None:
        return None
    return {key: row[key] for key in ("status", "attempts", "next_attempt_time")}
