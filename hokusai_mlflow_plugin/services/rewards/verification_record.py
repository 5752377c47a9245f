"""Verifying the ledger and keeping what was found, for the page of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import ledger_checks, ledger_rows, verifications
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault

LastEvents = dict[str, int]
"""The last event of each workspace that has a ledger."""


def last_events(connection: Connection) -> LastEvents:
    """How far each ledger goes, to be read before it is verified."""
    found = {}
    for workspace in ledger_checks.workspaces(connection):
        tail = ledger_rows.read_tail(connection, workspace)
        found[workspace] = 0 if tail is None else tail.last_sequence
    return found


def keep(
    connection: Connection, time_ms: int, last: LastEvents, faults: Sequence[LedgerFault]
) -> None:
    """Put on record what was found in each workspace; what belongs to none is told in each.

    Args:
        connection: In a transaction.
        time_ms: When the verification began.
        last: See :func:`last_events`.
        faults: All that were found.
    """
    for workspace in sorted(last.keys() | {fault.workspace for fault in faults} - {""}):
        its = [fault for fault in faults if fault.workspace in (workspace, "")]
        told = [
            {"sequence": fault.sequence, "code": fault.code, "message": fault.message}
            for fault in its
        ]
        verifications.keep(connection, workspace, time_ms, last.get(workspace, 0), told)
