"""What contributors achieved, as far as the asker may read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import event_rows
from hokusai_mlflow_plugin.domain.values import plain
from hokusai_mlflow_plugin.services.rewards import payee_totals
from hokusai_mlflow_plugin.services.rewards.payee_totals import Key, Total
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

MAX_EVENTS = 10_000
"""Events looked at where some of a token's models may not be read."""
_BATCH = 1000


def improvements_by_address(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> tuple[Json, int | None]:
    """What the payable contributors of a token achieved, by its reward events.

    Shape: address → list of ``benchmark_metric``, ``deltaone_count``, ``improvement_pp`` (the
    contributor's share by weight, an exact decimal string), by metric. For who may not read every
    model that the events are about, of the oldest 10,000 events those that may be read.

    Returns:
        That, and where more events follow than were looked at the sequence number of the last one
        that was.
    """
    until = None
    if visible.all or _all_visible(connection, workspace, token_id, visible):
        sums = payee_totals.of_token(connection, workspace, token_id)
    else:
        sums, until = _readable_sums(connection, workspace, token_id, visible)
    found: Json = {}
    for (_token, metric, address), (count, total) in sorted(sums.items()):
        if not count:  # all of it was revoked
            continue
        found.setdefault(address, []).append(
            {"benchmark_metric": metric, "deltaone_count": count, "improvement_pp": plain(total)}
        )
    return found, until


def has_events(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> bool:
    """Whether a token has a reward event that the asker may read."""
    pairs = event_rows.read_models_of_token(connection, workspace, token_id)
    return any(visible.all or is_visible(pair, visible) for pair in pairs)


def is_visible(row: RowMapping, visible: Visible) -> bool:
    """Whether the asker may read both models that an event is about, by the names of today.

    Args:
        row: As ``event_rows.read_models_of_events`` has it.
        visible: The models that the asker may read.
    """
    return row["name"] in visible and row["baseline_name"] in visible


def _all_visible(connection: Connection, workspace: str, token_id: str, visible: Visible) -> bool:
    pairs = event_rows.read_models_of_token(connection, workspace, token_id)
    return all(is_visible(pair, visible) for pair in pairs)


def _readable_sums(
    connection: Connection, workspace: str, token_id: str, visible: Visible
) -> tuple[dict[Key, Total], int | None]:
    sums: dict[Key, Total] = {}
    after = 0
    for _batch in range(MAX_EVENTS // _BATCH):
        rows = event_rows.read_events(connection, workspace, after, _BATCH, token_id)
        readable = _readable(connection, workspace, after, rows, token_id, visible)
        payee_totals.add(sums, readable)
        if len(rows) < _BATCH:
            return sums, None
        after = rows[-1]["sequence"]
    is_last = not event_rows.read_events(connection, workspace, after, 1, token_id)
    return sums, None if is_last else after


def _readable(
    connection: Connection,
    workspace: str,
    after: int,
    rows: Sequence[RowMapping],
    token_id: str,
    visible: Visible,
) -> list[RowMapping]:
    models = event_rows.read_models_of_events(connection, workspace, after, len(rows), token_id)
    readable = {each["sequence"] for each in models if is_visible(each, visible)}
    return [row for row in rows if row["sequence"] in readable]
