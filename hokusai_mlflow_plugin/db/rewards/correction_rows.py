"""The SQL of corrections: what they are about, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from hokusai_mlflow_plugin.db.keys import VersionId, of_version
from hokusai_mlflow_plugin.db.schema.tables import corrections, reward_events, token_index
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.domain.reward_events import Correction


def read_event(connection: Connection, workspace: str, event_id: str) -> RowMapping | None:
    """One event by its id, or None."""
    query = select(reward_events).where(
        reward_events.c.workspace == workspace, reward_events.c.event_id == event_id
    )
    row = connection.execute(query).mappings().one_or_none()
    # MySQL finds it by an id with blanks behind it, too, under which nothing must be written.
    return row if row is not None and row["event_id"] == event_id else None


def read_correction(
    connection: Connection, workspace: str, of_event_id: str, kind: Correction
) -> RowMapping | None:
    """The event of the correction of this kind that an event had, or None."""
    query = (
        select(reward_events)
        .select_from(
            corrections.join(
                reward_events,
                (reward_events.c.workspace == corrections.c.workspace)
                & (reward_events.c.event_id == corrections.c.event_id),
            )
        )
        .where(
            corrections.c.workspace == workspace,
            corrections.c.of_event_id == of_event_id,
            corrections.c.kind == kind.value,
        )
    )
    return connection.execute(query).mappings().one_or_none()


def revoked_among(connection: Connection, workspace: str, event_ids: Sequence[str]) -> set[str]:
    """Those of the events that were revoked."""
    query = select(corrections.c.of_event_id).where(
        corrections.c.workspace == workspace,
        corrections.c.of_event_id.in_(event_ids),
        corrections.c.kind == Correction.REVOKED.value,
    )
    return set(connection.scalars(query))


def record(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a correction, for good."""
    connection.execute(corrections.insert(), sealed(corrections, row))


def put_in_force(
    connection: Connection, version: VersionId, old_decision_id: str, decision_id: str
) -> None:
    """Have the index name another decision for a version, if it names the old one."""
    connection.execute(
        token_index.update()
        .where(*of_version(token_index, version), token_index.c.decision_id == old_decision_id)
        .values(decision_id=decision_id)
    )
