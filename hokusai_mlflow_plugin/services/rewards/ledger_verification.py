"""Checking that nobody edited, removed, swapped or added reward events.

Every event carries the hash of the one before it, the ledger's own row says where the chain ends,
each event must stand for an achieved decision of its own, with the id that follows from it, each
decision must rest on the one that set the head before, and each head must be what the last
decision made it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rfc8785
from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import series_checks
from hokusai_mlflow_plugin.db.rewards import ledger_checks, ledger_rows
from hokusai_mlflow_plugin.services.rewards.ledger import FIRST_HASH, event_hash, event_of

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
    for workspace in ledger_checks.workspaces(connection):
        yield from _audit_chain(connection, workspace)
        for code, message in _audit_decisions(connection, workspace):
            yield LedgerFault(workspace, 0, code, message)


def proven_event(connection: Connection, workspace: str, sequence: int) -> dict[str, Any] | None:
    """An event that the registry may vouch for: as it, its decision and its neighbours prove it.

    None where it is gone, or anything that one look at it can tell is not as it was written.
    """
    row = ledger_checks.read_event(connection, workspace, sequence)
    if row is None or not _is_intact(row) or not _is_linked(row):
        return None
    if _contradiction(row) or not _has_own_id(row):
        return None
    return event_of(row)


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
    tail = ledger_rows.read_tail(connection, workspace)
    return (tail.last_sequence, tail.last_hash) if tail else (0, FIRST_HASH)


def _events(connection: Connection, workspace: str) -> Iterator[RowMapping]:
    last: int | None = None
    while rows := ledger_checks.read_events(connection, workspace, last, _BATCH):
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
    if row["ledger_id"] is not None and not _has_own_id(row):
        yield fault("id_differs", "does not have the id that follows from its ledger and its step.")
    if row["delivery_status"] is None:
        yield fault("delivery_missing", "has no delivery: it is not sent before it is replayed.")


def _is_intact(row: RowMapping) -> bool:
    try:
        return bool(event_hash(event_of(row)) == row["hash"])
    except (ValueError, RecursionError):  # what no event was ever written with
        return False


def _is_linked(row: RowMapping) -> bool:
    """Whether an event is within its ledger, and its hash part of the chain on both sides."""
    sequence, end = row["sequence"], row["last_sequence"] or 0
    before = FIRST_HASH if sequence == 1 else row["hash_before"]
    after = row["last_hash"] if sequence == end else row["hash_that_follows"]
    return (
        0 < sequence <= end
        and row["previous_hash"] == before
        and after in (row["hash"], None)  # that its successor is gone is not its own fault
    )


def _has_own_id(row: RowMapping) -> bool:
    """Whether an event has the id that ``ledger.append`` gives to its step in its ledger."""
    told = _told(row)
    step = [told.get("token_id"), told.get("benchmark_metric"), told.get("baseline")]
    try:
        own = uuid.uuid5(uuid.UUID(row["ledger_id"]), rfc8785.dumps(step).decode())
    except (ValueError, TypeError, RecursionError):  # an id or a step that nobody ever wrote
        return False
    return bool(row["event_id"] == str(own))


def _contradiction(row: RowMapping) -> str | None:
    """What the event says other than its decision, or None."""
    if row["decision_outcome"] != "achieved":
        return "stands for no achieved decision."
    claims = {
        # A rename moves the decision's name; the event keeps that of its time.
        "version": str(row["decision_version"]),
        "token_id": row["decision_token_id"],
        "benchmark_metric": row["decision_metric"],
        "direction": row["decision_direction"],
        "value": row["decision_value"],
        "improvement_pp": row["decision_improvement_pp"],
        "baseline": row["decision_baseline_value"],
        "evidence": row["decision_evidence"],
        # Neither was told of before revision 0004.
        "unit": row["decision_unit"],
        "threshold_pp": row["decision_threshold_pp"],
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
    for decision_id in ledger_checks.decisions_without_event(connection, workspace):
        yield "event_missing", f"Decision {decision_id} is achieved, but no event stands for it."
    for decision_id in ledger_checks.repeated_decisions(connection, workspace):
        yield "decision_repeated", f"Several events stand for decision {decision_id}."
    for decision_id in series_checks.heads_left_twice(connection, workspace):
        yield "head_left_twice", f"Several decisions took the head over from {decision_id}."
    for baseline_id in series_checks.missing_baselines(connection, workspace):
        if baseline_id is None:
            message = "An achieved decision names none that it was measured against."
        else:
            message = f"Decision {baseline_id} is gone, or set no head; others name it as theirs."
        yield "baseline_missing", message
    for decision_id in series_checks.decisions_off_their_baseline(connection, workspace):
        message = f"Decision {decision_id} was measured against another value than it names."
        yield "baseline_differs", message
    yield from _audit_series(connection, workspace)


def _audit_series(connection: Connection, workspace: str) -> Iterator[tuple[str, str]]:
    for token_id, metric in series_checks.missing_series(connection, workspace):
        yield "series_missing", f"The head of {token_id} {metric} is gone, its decisions are not."
    for token_id, metric in series_checks.series_off_their_direction(connection, workspace):
        message = f"The direction of {token_id} {metric} is not that of its decisions."
        yield "direction_differs", message
    for token_id, metric in series_checks.series_off_their_head(connection, workspace):
        message = f"The head of {token_id} {metric} is not what its last decision made it."
        yield "head_differs", message
