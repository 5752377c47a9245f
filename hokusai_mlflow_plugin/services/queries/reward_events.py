"""Reading the reward ledger: the feed, and who earned what.

Source: design section 3, ``reward-events/list`` and ``tokens/get``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT
from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import check_token_id
from hokusai_mlflow_plugin.domain.values import EXACT, plain
from hokusai_mlflow_plugin.services.queries import visibility
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MAX_RESULTS,
    require_max_results,
)
from hokusai_mlflow_plugin.services.queries.visibility import EVERYTHING, Visible
from hokusai_mlflow_plugin.services.rewards.ledger import event_of

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
    if not 0 <= after < 2**63:
        raise InvalidRequest(f"Parameter after is {after}; use a sequence number, 0 or more.")
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
        lambda event: visible.all or _is_visible(event, visible),
    )
    return {"reward_events": events}


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
    while rows := ledger_rows.read_events(connection, workspace, after, MAX_RESULTS, token_id):
        events = [event_of(row) for row in rows]
        for address, metric, share in _shares(e for e in events if _is_visible(e, visible)):
            count, total = sums.get((address, metric), (0, Decimal(0)))
            sums[address, metric] = (count + 1, EXACT.add(total, share))
        after = rows[-1]["sequence"]
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


def _is_visible(event: Mapping[str, Any], visible: Visible) -> bool:
    data = event["data"]
    return data["name"] in visible and data["baseline"]["name"] in visible


def _shares(events: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, Decimal]]:
    for event in events:
        data = event["data"]
        for contributor in data["contributors"]:
            if contributor["payable"]:
                weight = EXACT.divide(Decimal(contributor["weight"]), Decimal(FULL_WEIGHT))
                share = EXACT.multiply(Decimal(data["improvement_pp"]), weight)
                yield contributor["address"], data["benchmark_metric"], share
