"""What somebody with write access to the database does, with or without hiding it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Table, select

from hokusai_mlflow_plugin.db.schema.tables import (
    decisions,
    ledgers,
    metadata,
    reward_events,
)
from hokusai_mlflow_plugin.db.seals import SEAL, sealed
from hokusai_mlflow_plugin.services.index import maintenance
from support.damage import run_sql
from support.rewards import faults, own_hash

Json = dict[str, Any]


def read_table(store: Any, table: Table) -> list[Json]:
    """Every row of a table, in the order of its key."""
    with store.engine.connect() as connection:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in connection.execute(query).mappings()]


def change_row(store: Any, table: Table, row: Mapping[str, Any], **values: Any) -> None:
    """Give one row other values, and nothing else."""
    with store.engine.begin() as connection:
        same = (key == row[key.name] for key in table.primary_key)
        assert connection.execute(table.update().where(*same).values(values)).rowcount == 1


def reseal(store: Any) -> None:
    """Make every seal fit what its row says now."""
    for table in metadata.tables.values():
        if SEAL in table.columns:
            for row in read_table(store, table):
                change_row(store, table, row, seal=sealed(table, row)[SEAL])


def rewrite_event(store: Any, sequence: int, change: Callable[[Json, Json], None]) -> None:
    """Change an event, and make every hash from there to the ledger's end fit.

    Args:
        store: A store whose default workspace has the event.
        sequence: Of the event.
        change: Changes its row and its data in place.
    """
    previous = None
    for row in read_table(store, reward_events):
        if row["sequence"] < sequence:
            continue
        new = dict(row)
        if row["sequence"] == sequence:
            data = json.loads(row["data"])
            change(new, data)
            if new["data"] == row["data"]:
                new["data"] = json.dumps(
                    data, sort_keys=True, ensure_ascii=False, separators=(",", ":")
                )
        else:
            new["previous_hash"] = previous
        new["hash"] = previous = own_hash(new)
        change_row(store, reward_events, row, **new)
    for row in read_table(store, ledgers):
        change_row(store, ledgers, row, last_hash=previous)


def all_faults(store: Any) -> list[str]:
    """The codes of all that the two commands called ``verify`` find."""
    scanned = maintenance.verify(store.engine, store.settings.catalogue)
    differing = [found.kind.value for report in scanned for found in report.differences]
    return [fault.code for fault in faults(store)] + differing


def rewrite_history(store: Any, contributor: str) -> None:
    """Have the first event pay somebody else, in every table and hash, so that all of it agrees.

    Args:
        store: A store whose default workspace has events, of one payee each.
        contributor: The address that is to be paid.
    """
    (decision_id,) = [
        row["decision_id"] for row in read_table(store, reward_events) if row["sequence"] == 1
    ]
    (decision,) = [row for row in read_table(store, decisions) if row["decision_id"] == decision_id]
    of_version = {"name": decision["decided_name"], "version": decision["version"]}

    def pay(_row: Json, data: Json) -> None:
        data["contributors"][0].update(contributor=contributor, address=contributor)

    rewrite_event(store, 1, pay)
    run_sql(
        store,
        "UPDATE model_version_tags SET value = :address WHERE name = :name AND version = :version "
        "AND model_version_tags.key = 'contributor_address'",
        address=contributor,
        **of_version,
    )
    run_sql(
        store,
        "UPDATE hokusai_token_index SET contributor_address = :address "
        "WHERE name = :name AND version = :version",
        address=contributor,
        **of_version,
    )
    # They are added up anew where they are not there.
    run_sql(store, "DELETE FROM hokusai_payee_totals")
    run_sql(store, "UPDATE hokusai_reward_ledgers SET totalled_sequence = 0")
    reseal(store)
