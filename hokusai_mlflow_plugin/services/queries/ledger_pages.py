"""The reward ledger for people: newest first, with deliveries and the last verification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import (
    delivery_state,
    event_rows,
    event_standing,
    ledger_page_rows,
    verifications,
)
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
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
    state: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """A page of the ledger, newest first.

    Shape: ``reward_events`` as ``reward-events/list`` has them, each with what
    :func:`standing_json` tells; ``next_before`` where there are more; ``scanned``: how many
    were looked at, where the page ends early for that; ``verification``: what the last one found,
    or None, for who may see all of it.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        token_id: Only events of this token.
        before: Only events below this sequence number.
        state: Only events that stand so now, one of ``EventState``.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    if token_id is not None:
        require_token_id(token_id)
    if before is not None:
        require_in(SEQUENCE, "before", before)
    is_whole = visible.all and state is None
    limit = EVENTS_PER_PAGE + 1 if is_whole else MAX_SCANNED
    asked = (connection, workspace, before, limit, token_id)
    scanned = ledger_page_rows.read_newest_events(*asked, state)
    found = [row["sequence"] for row in scanned if visible.all or is_visible(row, visible)]
    page = found[:EVENTS_PER_PAGE]
    rows = event_rows.read_events_at(connection, workspace, page)
    standing = event_standing.read_standing(connection, workspace, page)
    answer: Json = {
        "reward_events": [
            {**event_of(row), **standing_json(standing[row["sequence"]], visible)}
            for row in reversed(rows)
        ],
        "verification": verifications.read(connection, workspace) if visible.all else None,
    }
    if len(found) > len(page):
        answer["next_before"] = page[-1]
    elif not is_whole and (last := ledger_page_rows.last_looked_at(*asked)) is not None:
        answer |= {"next_before": last, "scanned": limit}
    return answer


def one_event(
    connection: Connection, workspace: str, id: str, visible: Visible = EVERYTHING
) -> Json:
    """A reward event with its neighbours, how it stands, and what corrects it.

    Shape: ``event``, ``previous`` and ``next`` as ``reward-events/list`` has them, the latter two
    None at an end of the ledger and where the asker may not read them; :func:`standing_json`;
    ``attempts`` at its delivery, the last ones first, for administrators; ``corrections``: ``id``,
    ``sequence``, ``type``, ``timestamp``, oldest first.

    Raises:
        EventNotFound: None has this id, or none that the asker may read.
    """
    row = ledger_page_rows.read_event_with_models(connection, workspace, id)
    if row is None or not (visible.all or is_visible(row, visible)):
        raise EventNotFound(shown(id))
    sequence = row["sequence"]
    beside = {
        number: event_of(each)
        for number, each in ledger_page_rows.read_neighbours(
            connection, workspace, sequence
        ).items()
        if visible.all or is_visible(each, visible)
    }
    standing = event_standing.read_standing(connection, workspace, [sequence])[sequence]
    attempts: Sequence[RowMapping] = ()
    if visible.all:  # they tell how the receiver answers, which is its operator's business
        attempts = delivery_state.read_attempts(connection, workspace, sequence, ATTEMPTS)
    corrections = event_standing.read_corrections(connection, workspace, id)
    return {
        "event": event_of(row),
        "previous": beside.get(sequence - 1),
        "next": beside.get(sequence + 1),
        **standing_json(standing, visible),
        "attempts": [
            {key: each[key] for key in ("attempt", "attempt_time", "http_status", "error")}
            for each in attempts
        ],
        "corrections": [
            {
                "id": each["event_id"],
                "sequence": each["sequence"],
                "type": each["type"],
                "timestamp": each["event_time"],
            }
            for each in corrections
            if visible.all or is_visible(each, visible)
        ],
    }


def standing_json(row: RowMapping, visible: Visible) -> Json:
    """How an event stands.

    Users' names, and the reference by which the reward service knows a payment, are for
    administrators, as the routes are that review and settle.

    Shape: ``state``; ``delivery``: ``status``, ``attempts``, ``next_attempt_time``; ``settlement``:
    ``status``, ``timestamp``, and for administrators ``reference``, ``actor``; ``review``, for
    administrators: ``asked_timestamp``, ``registrant``, ``verdict``, ``actor``, ``timestamp``; each
    of these None where there is none; ``corrected_by``.
    """
    delivery = settlement = review = None
    if row["delivery_status"] is not None:
        delivery = {
            "status": row["delivery_status"],
            "attempts": row["attempts"],
            "next_attempt_time": row["next_attempt_time"],
        }
    if row["settlement_status"] is not None:
        settlement = {"status": row["settlement_status"], "timestamp": row["settled_time"]}
        if visible.all:
            settlement |= {"reference": row["reference"], "actor": row["settled_by"]}
    if row["asked_time"] is not None and visible.all:
        review = {
            "asked_timestamp": row["asked_time"],
            "registrant": row["asked_by"],
            "verdict": row["verdict"],
            "actor": row["reviewed_by"],
            "timestamp": row["reviewed_time"],
        }
    return {
        "state": row["state"],
        "delivery": delivery,
        "settlement": settlement,
        "review": review,
        "corrected_by": row["corrected_by"] if visible.all else None,
    }
