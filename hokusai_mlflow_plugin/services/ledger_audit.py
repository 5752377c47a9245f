"""Checking that nobody edited, removed, swapped or added reward events.

Every event carries the hash of the one before it, the ledger's own row says where the chain ends,
and each event must stand for an achieved decision. Source: design section 3, ``rewards verify``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db import ledger_sql
from hokusai_mlflow_plugin.services.ledger import FIRST_HASH, event_hash, event_of

_BATCH = 1000


@dataclass(frozen=True)
class LedgerFault:
    """One thing that is wrong with a workspace's ledger."""

    workspace: str
    sequence: int
    code: str
    message: str


def audit(connection: Connection) -> Iterator[LedgerFault]:
    """Every fault of every workspace's ledger, in the order of sequence; none for a clean one."""
    for workspace in ledger_sql.workspaces(connection):
        yield from _audit_chain(connection, workspace)
        for decision_id in ledger_sql.decisions_without_event(connection, workspace):
            message = f"Decision {decision_id} is achieved, but no event stands for it."
            yield LedgerFault(workspace, 0, "event_missing", message)


def _audit_chain(connection: Connection, workspace: str) -> Iterator[LedgerFault]:
    tail = ledger_sql.read_tail(connection, workspace)
    end, end_hash = (tail.last_sequence, tail.last_hash) if tail else (0, FIRST_HASH)
    sequence, previous = 0, FIRST_HASH
    while rows := ledger_sql.read_audited_events(connection, workspace, sequence, _BATCH):
        for row in rows:
            for missing in range(sequence + 1, row["sequence"]):
                yield LedgerFault(workspace, missing, "event_removed", f"Event {missing} is gone.")
            yield from _audit_event(workspace, row, previous, end, sequence)
            sequence, previous = row["sequence"], row["hash"]
    for missing in range(sequence + 1, end + 1):
        yield LedgerFault(workspace, missing, "event_removed", f"Event {missing} is gone.")
    if sequence == end and previous != end_hash:
        message = f"The ledger ends with hash {end_hash}, its last event has {previous}."
        yield LedgerFault(workspace, end, "end_differs", message)


def _audit_event(
    workspace: str, row: RowMapping, previous: str, end: int, before: int
) -> Iterator[LedgerFault]:
    sequence = row["sequence"]

    def fault(code: str, message: str) -> LedgerFault:
        return LedgerFault(workspace, sequence, code, f"Event {sequence} {message}")

    event = event_of(row)
    if event_hash(event) != event["hash"]:
        yield fault("event_edited", "does not have the content that its hash was made of.")
    if before == sequence - 1 and event["previous_hash"] != previous:
        yield fault("chain_broken", f"does not follow event {before}: the hashes differ.")
    if sequence > end:
        yield fault("event_added", f"was added behind the ledger's end, {end}.")
    if problem := _contradiction(event["data"], row):
        yield fault("decision_differs", problem)


def _contradiction(data: Mapping[str, Any], row: RowMapping) -> str | None:
    """What the event says other than its decision, or None."""
    if row["decision_outcome"] != "achieved":
        return "stands for no achieved decision."
    claims = {
        "token_id": row["decision_token_id"],
        "benchmark_metric": row["decision_metric"],
        "value": row["decision_value"],
        "improvement_pp": row["decision_improvement_pp"],
    }
    differing = [key for key, decided in claims.items() if data.get(key) != decided]
    return f"differs from its decision in {', '.join(differing)}." if differing else None
