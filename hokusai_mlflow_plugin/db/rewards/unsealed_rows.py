"""Sealing what a server of a release without seals wrote beside this one.

Only rows that have no seal at all: one with a wrong seal was edited.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, select

from hokusai_mlflow_plugin.db.rewards.ledger_rows import mark_ledger
from hokusai_mlflow_plugin.db.rewards.sealed_rows import unmarked_ledgers
from hokusai_mlflow_plugin.db.schema.tables import decisions, ledgers, metadata, reward_events
from hokusai_mlflow_plugin.db.seals import SEAL, sealed

_BATCH_ROWS = 1_000


def seal_unsealed(connection: Connection) -> dict[str, int]:
    """Seal every row that has no seal as it is, and mark ledgers that have no mark.

    Returns:
        How many of each table, of those with any.
    """
    counts = {ledgers.name: _mark_ledgers(connection)}
    for table in metadata.sorted_tables:
        if SEAL in table.columns:
            counts[table.name] = _seal_table(connection, table)
    return {name: count for name, count in counts.items() if count}


def _seal_table(connection: Connection, table: Table) -> int:
    query = select(table).where(table.c[SEAL].is_(None)).limit(_BATCH_ROWS)
    count = 0
    while rows := connection.execute(query).mappings().all():
        for row in rows:
            same = (key == row[key.name] for key in table.primary_key)
            connection.execute(
                table.update().where(*same).values(_completed(connection, table, row))
            )
        count += len(rows)
    return count


def _completed(connection: Connection, table: Table, row: RowMapping) -> dict[str, Any]:
    """A row with its seal; a decision also with the name that it was taken under."""
    found = dict(row)
    if table is decisions and found["decided_name"] is None:
        found["decided_name"] = _told_name(connection, row) or row["name"]
    return sealed(table, found)


def _told_name(connection: Connection, decision: RowMapping) -> str | None:
    """The name that a decision's event tells; None where it has none, or one that was edited."""
    query = select(reward_events.c.data).where(
        reward_events.c.workspace == decision["workspace"],
        reward_events.c.token_id == decision["token_id"],
        reward_events.c.decision_id == decision["decision_id"],
    )
    data = connection.scalars(query).first()
    try:
        return None if data is None else str(json.loads(data)["name"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # 'rewards verify' names it


def _mark_ledgers(connection: Connection) -> int:
    unmarked = unmarked_ledgers(connection)
    for ledger_id in unmarked:
        mark_ledger(connection, ledger_id)
    return len(unmarked)
