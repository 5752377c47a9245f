"""What payees earned in all: kept beside the ledger, so that asking costs no scan of it.

Derived from the events, in the transaction that appends one; ``rewards verify`` adds them up again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.rewards import event_rows, ledger_rows, payee_totals
from hokusai_mlflow_plugin.domain.contributors import FULL_WEIGHT
from hokusai_mlflow_plugin.domain.reward_events import EventType
from hokusai_mlflow_plugin.domain.values import EXACT, plain

Key = tuple[str, str, str]
"""Token, metric, address."""
Total = tuple[int, Decimal]
"""How many DeltaOnes, and the shares of their percentage points."""

_BATCH = 1000
_SIGNS = {
    EventType.ACHIEVED.value: 1,
    EventType.PAYEES_NAMED.value: 1,  # of an event that had nobody who could be paid
    EventType.REVOKED.value: -1,
}
"""What an event adds to its contributors' totals."""
NOTHING: Total = (0, Decimal(0))


def add(sums: dict[Key, Total], rows: Iterable[RowMapping]) -> None:
    """Add what events, from their rows, say of payable contributors to sums."""
    for row in rows:
        with suppress(
            ValueError, TypeError, LookupError, ArithmeticError
        ):  # edited: 'rewards verify' names it
            _add(sums, event_rows.event_of(row))


def note(
    connection: Connection,
    writes: JoinedWrites,
    workspace: str,
    tail: ledger_rows.LedgerTail,
    event: Mapping[str, Any] | None = None,
) -> None:
    """Add the events that were not added yet, and one that is about to be appended.

    To be called under the ledger's lock, before the event is there. The release before appends
    events without this.
    """
    sums: dict[Key, Total] = {}
    after = tail.totalled_sequence
    while after < tail.last_sequence:
        rows = event_rows.read_events(connection, workspace, after, _BATCH)
        if not rows:
            break
        add(sums, rows)
        after = rows[-1]["sequence"]
    if event is not None:
        _add(sums, event)
    if not sums:
        return
    tokens, addresses = {key[0] for key in sums}, {key[2] for key in sums}
    for row in payee_totals.read_rows(connection, workspace, tokens, addresses):
        # Tokens and addresses were asked for apart: among them are pairs that earn nothing here.
        if (key := _key(row)) in sums:
            sums[key] = _plus(sums[key], of_row(row))
    payee_totals.put(writes, (_row(workspace, key, sums[key]) for key in sorted(sums)))


def of_token(connection: Connection, workspace: str, token_id: str) -> dict[Key, Total]:
    """What payees earned under a token."""
    after, last, rows = payee_totals.read_totals(connection, workspace, token_id)
    sums = {_key(row): of_row(row) for row in rows}
    while after < last and (
        events := event_rows.read_events(connection, workspace, after, _BATCH, token_id)
    ):
        add(sums, events)
        after = events[-1]["sequence"]
    return sums


def differing(kept: Iterable[RowMapping], sums: Mapping[Key, Total]) -> list[Key]:
    """Those totals that are not what the events add up to, in order.

    Args:
        kept: Rows of a workspace.
        sums: What its events add up to, as far as the totals go.
    """
    found = {_key(row): of_row(row) for row in kept}
    return sorted(key for key in found.keys() | sums.keys() if found.get(key) != sums.get(key))


def _add(sums: dict[Key, Total], event: Mapping[str, Any]) -> None:
    sign = _SIGNS.get(event["type"])
    if sign is None:
        return
    data = event["data"]
    for contributor in data["contributors"]:
        if contributor["payable"]:
            key = (event["token_id"], data["benchmark_metric"], contributor["address"])
            share = EXACT.multiply(_share(data, contributor), Decimal(sign))
            sums[key] = _plus(sums.get(key, NOTHING), (sign, share))


def of_row(row: RowMapping) -> Total:
    """A total as its row has it; nothing where that was edited to what is no number."""
    with suppress(ArithmeticError):
        return row["deltaone_count"], Decimal(row["improvement_pp"])
    return NOTHING


def _key(row: RowMapping) -> Key:
    return row["token_id"], row["benchmark_metric"], row["address"]


def _row(workspace: str, key: Key, total: Total) -> dict[str, Any]:
    token_id, metric, address = key
    return {
        "workspace": workspace,
        "token_id": token_id,
        "benchmark_metric": metric,
        "address": address,
        "deltaone_count": total[0],
        "improvement_pp": plain(total[1]),
    }


def _share(data: Mapping[str, Any], contributor: Mapping[str, Any]) -> Decimal:
    weight = EXACT.divide(Decimal(contributor["weight"]), Decimal(FULL_WEIGHT))
    return EXACT.multiply(Decimal(data["improvement_pp"]), weight)


def _plus(one: Total, other: Total) -> Total:
    return one[0] + other[0], EXACT.add(one[1], other[1])
