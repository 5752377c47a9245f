"""Checking that nobody changed the reward ledger, or what it rests on, past the registry.

Each subject has a module of checks beside this one; a code for each fault in ``ledger_faults``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import paid_runs
from hokusai_mlflow_plugin.db.rewards import (
    ledger_checks,
    ledger_rows,
    payee_tags,
    payee_totals,
    settlement_rows,
)
from hokusai_mlflow_plugin.db.rewards.event_rows import event_of
from hokusai_mlflow_plugin.db.rewards.payee_tags import EventVersion
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey
from hokusai_mlflow_plugin.services.rewards import decision_checks
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import kept_faults
from hokusai_mlflow_plugin.services.rewards.delivery_checks import delivery_faults
from hokusai_mlflow_plugin.services.rewards.event_checks import event_faults
from hokusai_mlflow_plugin.services.rewards.ledger import FIRST_HASH
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Code, LedgerFault, gap_faults
from hokusai_mlflow_plugin.services.rewards.payee_totals import Key, Total, add, differing
from hokusai_mlflow_plugin.services.rewards.seal_checks import seal_faults, state_faults

_BATCH = 1_000


def find_faults(
    connection: Connection, trusted: Collection[PublicKey] = ()
) -> Iterator[LedgerFault]:
    """Every fault of every workspace's ledger, in the order of sequence; none for a clean one.

    Writers may go on meanwhile: what they commit is no fault. There is never more than one batch
    of rows in memory.

    Args:
        connection: A connection to the registry's database.
        trusted: Of these keys one has to have signed the newest checkpoint of each ledger; where
            there are none, the keys beside it are taken.
    """
    yield from state_faults(connection)
    for workspace in ledger_checks.workspaces(connection):
        yield from _chain_faults(connection, workspace)
        yield from kept_faults(connection, workspace, trusted)
        for code, message in decision_checks.decision_faults(connection, workspace):
            yield LedgerFault(workspace, 0, code, message)
        yield from _settlement_faults(connection, workspace)
    yield from seal_faults(connection)


def proven_events(
    connection: Connection, workspace: str, first: int, last: int
) -> dict[int, dict[str, Any]]:
    """Events that the registry may vouch for: as they, their decisions and neighbours prove them.

    By sequence, from one to another; without those that are gone, and those of which
    :func:`find_faults` would name anything, of their decisions or of the versions that earned them.
    """
    rows = ledger_checks.read_linked_events(connection, workspace, first, last)
    versions = payee_tags.read_versions(connection, workspace, first, last)
    taken = [row["decision_id"] for row in rows]
    standing = decision_checks.standing_among(connection, workspace, taken)
    return {
        row["sequence"]: event_of(row)
        for row in rows
        if row["decision_id"] in standing
        and _is_linked(row)
        and not any(event_faults(row, versions.get(row["sequence"])))
    }


def _chain_faults(connection: Connection, workspace: str) -> Iterator[LedgerFault]:
    totalled, last, kept = payee_totals.read_totals(connection, workspace)
    sums: dict[Key, Total] = {}
    end, end_hash = _end(connection, workspace)
    sequence, previous, is_clean = 0, FIRST_HASH, True
    for row, version, run_is_noted in _events(connection, workspace):
        if row["sequence"] > end:  # it may have been written just now
            end, end_hash = _end(connection, workspace)
        yield from gap_faults(workspace, sequence + 1, min(row["sequence"] - 1, end))
        yield from _link_faults(workspace, row, previous, end, sequence)
        found = [*event_faults(row, version), *delivery_faults(row)]
        for code, message in found:
            yield _of_event(workspace, row, code, message)
        if row["sequence"] <= totalled and not run_is_noted:
            message = "rests on a run, and no note says that the run is used up."
            yield _of_event(workspace, row, "paid_run_missing", message)
        is_clean = is_clean and not found and row["sequence"] == sequence + 1
        if is_clean and row["sequence"] <= totalled:
            add(sums, [row])
        sequence, previous = max(sequence, row["sequence"]), row["hash"]
    yield from gap_faults(workspace, sequence + 1, end)
    if sequence == end and previous != end_hash:
        message = f"The ledger ends with hash {end_hash}, its last event has {previous}."
        yield LedgerFault(workspace, end, "end_differs", message)
    if is_clean and sequence == end:  # else they are the sum of what is not there any more
        yield from _totals_faults(workspace, kept, sums, totalled <= last)


def _totals_faults(
    workspace: str, kept: Sequence[RowMapping], sums: Mapping[Key, Total], is_within: bool
) -> Iterator[LedgerFault]:
    if not is_within:
        message = "The totals of payees go further than the ledger."
        yield LedgerFault(workspace, 0, "payee_totals_differ", message)
    for token_id, metric, address in differing(kept, sums):
        message = f"What {address} earned by {metric} of {token_id} is not the sum of its events."
        yield LedgerFault(workspace, 0, "payee_totals_differ", message)


def _settlement_faults(connection: Connection, workspace: str) -> Iterator[LedgerFault]:
    if settlement_rows.is_miscounted(connection, workspace):
        message = "There are more or fewer settlements than the ledger counts."
        yield LedgerFault(workspace, 0, "settlement_differs", message)
    for event_id in settlement_rows.misplaced(connection, workspace):
        message = f"Event {event_id} has a settlement or a review, and is none of a DeltaOne."
        yield LedgerFault(workspace, 0, "settlement_differs", message)


def _end(connection: Connection, workspace: str) -> tuple[int, str]:
    tail = ledger_rows.read_tail(connection, workspace)
    return (tail.last_sequence, tail.last_hash) if tail else (0, FIRST_HASH)


def _events(
    connection: Connection, workspace: str
) -> Iterator[tuple[RowMapping, EventVersion | None, bool]]:
    """Each event, with the version that earned it, and whether the run that backs it is noted."""
    last: int | None = None
    while rows := ledger_checks.read_events(connection, workspace, last, _BATCH):
        first, last = rows[0]["sequence"], rows[-1]["sequence"]
        versions: Mapping[int, EventVersion] = payee_tags.read_versions(
            connection, workspace, first, last
        )
        backing = {row["sequence"]: _backing_run(row) for row in rows}
        runs = {run_id for run_id in backing.values() if run_id is not None}
        noted = paid_runs.noted_among(connection, runs) if runs else set()
        for row in rows:
            run_id = backing[row["sequence"]]
            yield row, versions.get(row["sequence"]), run_id is None or run_id in noted


def _backing_run(row: RowMapping) -> str | None:
    """The run that backs an event of release 0.1.0; what later ones rest on, decisions tell.

    None where it was revoked, and gave its run back.
    """
    if row["decision_threshold_pp"] is not None or row["is_revoked"]:
        return None
    return paid_runs.backing_run(row["data"])


def _link_faults(
    workspace: str, row: RowMapping, previous: str, end: int, before: int
) -> Iterator[LedgerFault]:
    sequence = row["sequence"]
    if before == sequence - 1 and row["previous_hash"] != previous:
        message = f"does not follow event {before}: the hashes differ."
        yield _of_event(workspace, row, "chain_broken", message)
    if not 0 < sequence <= end:
        message = f"was added outside the ledger, which ends with {end}."
        yield _of_event(workspace, row, "event_added", message)


def _of_event(workspace: str, row: RowMapping, code: Code, message: str) -> LedgerFault:
    sequence = row["sequence"]
    return LedgerFault(workspace, sequence, code, f"Event {sequence} {message}")


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
