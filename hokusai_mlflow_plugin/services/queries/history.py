"""What happened to one model or one token, as JSON-ready dictionaries.

Decisions and entries of the history are two tables, read side by side in the order of time.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.index import token_pages
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import ModelNotFound
from hokusai_mlflow_plugin.domain.tokens import require_token_id
from hokusai_mlflow_plugin.services.queries import pagination
from hokusai_mlflow_plugin.services.queries.deltaone import decision_json
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
    require_max_results,
)
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible, fill

Json = dict[str, Any]
Position = tuple[int, str]
"""Time in ms and id: the place of an entry."""

DECIDED = "decided"


def model_history(
    connection: Connection,
    workspace: str,
    name: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """What happened to a model and its versions, newest first; earlier models of its name, too.

    Shape: ``entries``: ``timestamp`` (ms), ``action``, ``actor`` (null where the server has no
    users), ``token_id``, ``name``, ``version``, ``details``, ``decision`` (null but for
    ``decided``); ``next_page_token`` where there are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
        ModelNotFound: No registered model has this name.
    """
    model = ModelId(workspace, name)
    stored = token_pages.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    of = ModelId(workspace, stored)
    return _page(connection, workspace, of, ("history", name), max_results, page_token, visible)


def token_history(
    connection: Connection,
    workspace: str,
    token_id: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """What happened to a token and under it, newest first, shaped as :func:`model_history`.

    Of models that the asker may not read nothing is told, and of declarations to administrators
    alone.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    require_token_id(token_id)
    asked = ("token history", token_id)
    return _page(connection, workspace, token_id, asked, max_results, page_token, visible)


def _page(
    connection: Connection,
    workspace: str,
    of: ModelId | str,
    asked: Sequence[str],
    max_results: int,
    page_token: str | None,
    visible: Visible,
) -> Json:
    require_max_results(max_results)
    found = pagination.decode(page_token, asked, (MILLISECONDS, str))
    # Where nothing is given, from the end of time on: one position for both tables.
    start: Position = (MILLISECONDS[-1], "") if found is None else (int(found[0]), str(found[1]))

    def fetch(before: Position, limit: int) -> list[RowMapping]:
        entries = history_rows.of_model_or_token(connection, workspace, of, before, limit)
        decided = decision_log.of_model_or_token(connection, workspace, of, before, limit)
        merged = heapq.merge(entries, decided, key=position_of, reverse=True)
        return [row for row, _number in zip(merged, range(limit), strict=False)]

    def may_be_told(row: RowMapping) -> bool:
        return visible.all or row["name"] in visible

    position_of: Callable[[RowMapping], Position] = _position
    rows = fill(fetch, position_of, start, max_results + 1, may_be_told)
    page = rows[:max_results]
    answer: Json = {"entries": [_entry(row, visible) for row in page]}
    if len(rows) > max_results:
        answer["next_page_token"] = pagination.encode(asked, _position(page[-1]))
    return answer


def _position(row: RowMapping) -> Position:
    if "entry_id" in row:
        return int(row["entry_time"]), str(row["entry_id"])
    return int(row["decision_time"]), str(row["decision_id"])


def _entry(row: RowMapping, visible: Visible) -> Json:
    is_decision = "entry_id" not in row
    version = row["version"]
    return {
        "timestamp": row["decision_time"] if is_decision else row["entry_time"],
        "action": DECIDED if is_decision else row["action"],
        "actor": row["decision_actor"] if is_decision else row["actor"],
        "token_id": row["token_id"],
        "name": row["name"],
        "version": None if version is None else str(version),
        "details": {} if is_decision else _details(row, visible),
        "decision": decision_json(row, visible) if is_decision else None,
    }


def _details(row: RowMapping, visible: Visible) -> Json:
    """What the action was about, but for what the event tells.

    An administrator's reason may speak of any model, and who sees a model need not see the events
    of it, which name the one that was beaten, too. The reference of a payment is for administrators
    (:func:`ledger_pages.standing_json`).
    """
    details: Json = json.loads(row["details"])
    if visible.all:
        return details
    return {key: value for key, value in details.items() if key not in _OF_EVENTS}


_OF_EVENTS = frozenset(("reason", "reference", "contributors"))
"""Details that are told to those alone who may read every model."""
