"""Runs that a reward rests on: each backs one, on the whole server (R14)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Connection, func, literal, null, select, union_all

from hokusai_mlflow_plugin.db.schema.tables import ledgers, paid_runs, reward_events
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent
from hokusai_mlflow_plugin.domain.delta import Evidence

_FETCH = 1_000


def paid_among(connection: Connection, run_ids: Collection[str]) -> set[str]:
    """Those of some runs that a reward rests on.

    Servers of release 0.1.0, which may run beside this one, note no run: what they appended since
    the notes were last brought up to the ledgers' ends is read in their events.
    """
    noted = select(paid_runs.c.run_id, literal(0)).where(paid_runs.c.run_id.in_(sorted(run_ids)))
    follow = func.coalesce(ledgers.c.totalled_sequence, 0)
    # In one statement: nearly always there are no such events, and it costs no second one.
    behind = select(ledgers.c.workspace, follow).where(follow < ledgers.c.last_sequence)
    found: set[str] = set()
    unnoted: list[tuple[str, int]] = []
    query = union_all(noted.add_columns(null().label("is_ledger")), behind.add_columns(literal(1)))
    for key, sequence, is_ledger in connection.execute(query):
        if is_ledger:
            unnoted.append((key, sequence))
        else:
            found.add(key)
    for workspace, after in unnoted:
        found.update(run for run, _decision in runs_of_events(connection, workspace, after))
    return found.intersection(run_ids)


def runs_of_events(connection: Connection, workspace: str, after: int) -> Iterator[tuple[str, str]]:
    """Run and decision of each event after a sequence number that a run backs, in order."""
    event = reward_events.c
    query = (
        select(event.data, event.decision_id)
        .where(event.workspace == workspace, event.sequence > after)
        .order_by(event.sequence)
        .execution_options(yield_per=_FETCH)
    )
    for data, decision_id in connection.execute(query):
        if run_id := backing_run(data):
            yield run_id, decision_id


def backing_run(data: str) -> str | None:
    """The run that backs an event, by its data; None where none does, or the data was edited."""
    try:
        told = json.loads(data)
        run_id = told["run_id"] if told["evidence"] == Evidence.RUN_BACKED.value else None
    except (ValueError, TypeError, KeyError, RecursionError):  # 'rewards verify' names it
        return None
    return run_id if isinstance(run_id, str) else None


def take(connection: Connection, run_ids: Sequence[str], workspace: str, decision_id: str) -> bool:
    """Have a reward rest on runs; False, and nothing taken, where one rests on any of them already.

    Waits for a concurrent transaction that takes the same run.
    """
    taken: list[str] = []
    for run_id in run_ids:
        row = {
            "run_id": run_id,
            "workspace": workspace,
            "decision_id": decision_id,
            "run_count": len(run_ids),
        }
        if not insert_if_absent(connection, paid_runs, sealed(paid_runs, row)):
            _give_back(connection, taken, decision_id)
            return False
        taken.append(run_id)
    return True


def give_back_all(connection: Connection, workspace: str, decision_id: str) -> None:
    """Let the runs of a reward that was revoked back another one.

    Nothing that is paid rests on them any more (R14), and what was registered with a mistake can be
    registered again from the same run.
    """
    connection.execute(
        paid_runs.delete().where(
            paid_runs.c.workspace == workspace, paid_runs.c.decision_id == decision_id
        )
    )


def _give_back(connection: Connection, run_ids: Collection[str], decision_id: str) -> None:
    if run_ids:
        connection.execute(
            paid_runs.delete().where(
                paid_runs.c.run_id.in_(run_ids), paid_runs.c.decision_id == decision_id
            )
        )


def is_taken_by(connection: Connection, run_id: str, decision_id: str) -> bool:
    """Whether a run is noted for a decision."""
    query = select(paid_runs.c.run_id).where(
        paid_runs.c.run_id == run_id, paid_runs.c.decision_id == decision_id
    )
    return connection.scalar(query) is not None


def noted_among(connection: Connection, run_ids: Collection[str]) -> set[str]:
    """Those of some runs that are noted, for whichever decision."""
    query = select(paid_runs.c.run_id).where(paid_runs.c.run_id.in_(sorted(run_ids)))
    return set(connection.scalars(query))
