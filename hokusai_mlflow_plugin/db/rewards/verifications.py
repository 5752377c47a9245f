"""When the ledger was last verified, and what that found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.tables import verifications
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import upsert

KEPT_FAULTS = 10
"""Faults that are kept word for word; all are counted."""


def keep(
    connection: Connection,
    workspace: str,
    time_ms: int,
    last_sequence: int,
    faults: Sequence[Mapping[str, Any]],
) -> None:
    """Put on record what a verification of a workspace's ledger found, in place of the last one.

    Args:
        connection: In a transaction.
        workspace: The workspace.
        time_ms: When it began.
        last_sequence: The last event that there was.
        faults: ``sequence``, ``code`` and ``message`` of each.
    """
    row = {
        "workspace": workspace,
        "verified_time": time_ms,
        "last_sequence": last_sequence,
        "fault_count": len(faults),
        "faults": json.dumps([dict(fault) for fault in faults[:KEPT_FAULTS]]),
    }
    upsert(connection, verifications, sealed(verifications, row))


def read(connection: Connection, workspace: str) -> dict[str, Any] | None:
    """What the last verification of a workspace's ledger found, or None before the first one.

    Shape: ``verified_time`` (ms), ``last_sequence``, ``fault_count``, and ``faults``: the first of
    them.
    """
    query = select(verifications).where(verifications.c.workspace == workspace)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    fields = ("verified_time", "last_sequence", "fault_count")
    return {**{key: row[key] for key in fields}, "faults": _faults(row["faults"])}


def _faults(text: str) -> Iterable[Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:  # edited: 'rewards verify' names it
        return []
    return found if isinstance(found, list) else []
