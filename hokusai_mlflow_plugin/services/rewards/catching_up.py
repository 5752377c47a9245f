"""What servers of release 0.1.0, which may run beside this one, leave undone: to be caught up on.

They append events and neither note the runs that these rest on (R14) nor add up what payees earned.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.deltaone import paid_runs
from hokusai_mlflow_plugin.db.joined_writes import joined_writes
from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.db.rewards.ledger_rows import LedgerTail
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
from hokusai_mlflow_plugin.services.rewards import payee_totals


def catch_up(engine: Engine) -> None:
    """Bring notes and totals to the end of every ledger; run again, it changes nothing."""
    with engine.connect() as connection:
        workspaces = ledger_rows.behind(connection)
    for workspace in workspaces:
        with engine.begin() as connection:
            tail = ledger_rows.read_tail(connection, workspace, lock=True)
            if tail is not None:
                note_runs(connection, workspace, tail)
                with joined_writes(connection) as writes:
                    payee_totals.note(connection, writes, workspace, tail)
                ledger_rows.note_totalled(connection, workspace)


def note_runs(
    connection: Connection, workspace: str, tail: LedgerTail, decision_id: str | None = None
) -> None:
    """Note the runs of events that were appended without; of two rewards the first keeps a run.

    To be called under the ledger's lock.

    Args:
        connection: That of the write's transaction.
        workspace: That of the ledger.
        tail: The ledger's end.
        decision_id: The decision that is about to get its event.

    Raises:
        ConcurrentWrite: That decision rests on a run that an event has just been appended for.
    """
    if tail.totalled_sequence >= tail.last_sequence:
        return
    found = list(paid_runs.runs_of_events(connection, workspace, tail.totalled_sequence))
    for run_id, paid_for in found:
        if decision_id is not None and paid_runs.is_taken_by(connection, run_id, decision_id):
            raise ConcurrentWrite(f"A reward has just come to rest on run {run_id}.")
        paid_runs.take(connection, [run_id], workspace, paid_for)
