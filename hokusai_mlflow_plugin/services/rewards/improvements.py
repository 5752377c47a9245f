"""What contributors achieved, by the reward events that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT
from hokusai_mlflow_plugin.domain.values import EXACT, plain
from hokusai_mlflow_plugin.services.rewards.ledger import event_of
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

_BATCH = 1000


def improvements_by_address(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> Json:
    """What the payable contributors of a token achieved, from its reward events.

    Shape: address → list of ``benchmark_metric``, ``deltaone_count``, ``improvement_pp`` (the
    contributor's share by weight, an exact decimal string), by metric. Counts only events that
    the asker may read.
    """
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    after = 0
    while rows := ledger_rows.read_events(connection, workspace, after, _BATCH, token_id):
        last = rows[-1]["sequence"]
        if not visible.all:
            rows = _visible(connection, workspace, after, rows, token_id, visible)
        for address, metric, share in _shares(event_of(row) for row in rows):
            count, total = sums.get((address, metric), (0, Decimal(0)))
            sums[address, metric] = (count + 1, EXACT.add(total, share))
        after = last
    found: Json = {}
    for (address, metric), (count, total) in sorted(sums.items()):
        found.setdefault(address, []).append(
            {
                "benchmark_metric": metric,
                "deltaone_count": count,
                "improvement_pp": plain(total),
            }
        )
    return found


def has_events(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> bool:
    """Whether a token has a reward event that the asker may read."""
    after = 0
    while rows := ledger_rows.read_events(connection, workspace, after, _BATCH, token_id):
        if visible.all or _visible(connection, workspace, after, rows, token_id, visible):
            return True
        after = rows[-1]["sequence"]
    return False


def is_visible(row: RowMapping, visible: Visible) -> bool:
    """Whether the asker may read both models that an event is about, by the names of today.

    Args:
        row: As ``ledger_rows.read_models_of_events`` has it.
        visible: The models that the asker may read.
    """
    return row["name"] in visible and row["baseline_name"] in visible


def _visible(
    connection: Connection,
    workspace: str,
    after: int,
    rows: Sequence[RowMapping],
    token_id: str,
    visible: Visible,
) -> list[RowMapping]:
    models = ledger_rows.read_models_of_events(connection, workspace, after, len(rows), token_id)
    readable = {each["sequence"] for each in models if is_visible(each, visible)}
    return [row for row in rows if row["sequence"] in readable]


def _shares(events: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, Decimal]]:
    for event in events:
        data = event["data"]
        for contributor in data["contributors"]:
            if contributor["payable"]:
                weight = EXACT.divide(Decimal(contributor["weight"]), Decimal(FULL_WEIGHT))
                share = EXACT.multiply(Decimal(data["improvement_pp"]), weight)
                yield contributor["address"], data["benchmark_metric"], share
