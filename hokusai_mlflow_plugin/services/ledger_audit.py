"""Checking that nobody edited, removed, swapped or added reward events.

Every event carries the hash of the one before it, the ledger's own row says where the chain ends,
each event must stand for an achieved decision of its own, and each head must be what the last
decision made it. Source: design section 3, ``rewards verify``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db import audit_sql, ledger_sql
from hokusai_mlflow_plugin.services.ledger import FIRST_HASH, event_hash, event_of

_BATCH = 1000


@dataclass(frozen=True)
class LedgerFault:
    """One thing that is wrong with a workspace's ledger."""

    workspace: str
    sequence: int
    """Of the event, or 0 where the fault is not in one event."""
    code: str
    message: str


def audit(connection: Connection) -> Iterator[LedgerFault]:
    """Every fault of every workspace's ledger, in the order of sequence; none for a clean one.

    Writers may go on meanwhile: what they commit is no fault.
    """
    for workspace in audit_sql.workspaces(connection):
        yield from _audit_chain(connection, workspace)
        for code, message in _audit_decisions(connection, workspace):
            yield LedgerFault(workspace, 0, code, message)


def _audit_chain(connection: Connection, workspace: str) -> Iterator[LedgerFault]:
    end, end_hash = _end(connection, workspace)
    sequence, previous = 0, FIRST_HASH
    for row in _events(connection, workspace):
        if row["sequence"] > end:  # it may have been written just now
            end, end_hash = _end(connection, workspace)
        yield from _audit_gap(workspace, sequence + 1, min(row["sequence"] - 1, end))
        yield from _audit_event(workspace, row, previous, end, sequence)
        sequence, previous = max(sequence, row["sequence"]), row["hash"]
    yield from _audit_gap(workspace, sequence + 1, end)
    if sequence == end and previous != end_hash:
        message = f"The ledger ends with hash {end_hash}, its last event has {previous}."
        yield LedgerFault(workspace, end, "end_differs", message)


def _end(connection: Connection, workspace: str) -> tuple[int, str]:
    tail = ledger_sql.read_tail(connection, workspace)
    return (tail.last_sequence, tail.last_hash) if tail else (0, FIRST_HASH)


def _events(connection: Connection, workspace: str) -> Iterator[RowMapping]:
    last: int | None = None
    while rows := audit_sql.read_events(connection, workspace, last, _BATCH):
        yield from rows
        last = rows[-1]["sequence"]


def _audit_gap(workspace: str, first: int, last: int) -> Iterator[LedgerFault]:
    if first == last:
        yield LedgerFault(workspace, first, "event_removed", f"Event {first} is gone.")
    elif first < last:
        message = f"Events {first} to {last} are gone."
        yield LedgerFault(workspace, first, "event_removed", message)


def _audit_event(
    workspace: str, row: RowMapping, previous: str, end: int, before: int
) -> Iterator[LedgerFault]:
    sequence = row["sequence"]

    def fault(code: str, message: str) -> LedgerFault:
        return LedgerFault(workspace, sequence, code, f"Event {sequence} {message}")

    if not _is_intact(row):
        yield fault("event_edited", "does not have the content that its hash was made of.")
    if before == sequence - 1 and row["previous_hash"] != previous:
        yield fault("chain_broken", f"does not follow event {before}: the hashes differ.")
    if not 0 < sequence <= end:
        yield fault("event_added", f"was added outside the ledger, which ends with {end}.")
    if problem := _contradiction(row):
        yield fault("decision_differs", problem)


def _is_intact(row: RowMapping) -> bool:
    try:
        return bool(event_hash(event_of(row)) == row["hash"])
    except (ValueError, RecursionError):  # what no event was ever written with
        return False


def _contradiction(row: RowMapping) -> str | None:
    """What the event says other than its decision, or None."""
    if row["decision_outcome"] != "achieved":
        return "stands for no achieved decision."
    claims = {
        "token_id": row["decision_token_id"],
        "benchmark_metric": row["decision_metric"],
        "value": row["decision_value"],
        "improvement_pp": row["decision_improvement_pp"],
        "baseline": row["decision_baseline_value"],
    }
    told = _told(row)
    differing = [key for key, decided in claims.items() if told.get(key) != decided]
    return f"differs from its decision in {', '.join(differing)}." if differing else None


def _told(row: RowMapping) -> dict[str, Any]:
    """The event's data, with the baseline's value alone; empty where it is none."""
    try:
        data = dict(event_of(row)["data"])
        return {**data, "baseline": data["baseline"]["value"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}


def _audit_decisions(connection: Connection, workspace: str) -> Iterator[tuple[str, str]]:
    for decision_id in audit_sql.decisions_without_event(connection, workspace):
        yield "event_missing", f"Decision {decision_id} is achieved, but no event stands for it."
    for decision_id in audit_sql.repeated_decisions(connection, workspace):
        yield "decision_repeated", f"Several events stand for decision {decision_id}."
    for decision_id in audit_sql.heads_left_twice(connection, workspace):
        yield "head_left_twice", f"Several DeltaOnes were measured against decision {decision_id}."
    for token_id, metric in audit_sql.series_off_their_head(connection, workspace):
        message = f"The head of {token_id} {metric} is not what its last decision made it."
        yield "head_differs", message
