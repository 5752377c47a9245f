"""Runs that a reward rests on: each backs one, on the whole server (R14)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.tables import paid_runs
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent


def paid_among(connection: Connection, run_ids: Collection[str]) -> set[str]:
    """Those of some runs that a reward rests on."""
    query = select(paid_runs.c.run_id).where(paid_runs.c.run_id.in_(sorted(run_ids)))
    return set(connection.scalars(query))


def take(connection: Connection, run_id: str, workspace: str, decision_id: str) -> bool:
    """Have a reward rest on a run; False where one does already, or has just come to.

    Waits for a concurrent transaction that takes the same run.
    """
    row = {"run_id": run_id, "workspace": workspace, "decision_id": decision_id}
    return insert_if_absent(connection, paid_runs, sealed(paid_runs, row))


def give_back(connection: Connection, run_id: str, decision_id: str) -> None:
    """Undo :func:`take` of this transaction."""
    connection.execute(
        paid_runs.delete().where(
            paid_runs.c.run_id == run_id, paid_runs.c.decision_id == decision_id
        )
    )
