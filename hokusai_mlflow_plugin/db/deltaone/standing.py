"""Which DeltaOnes stand: those that no correction took back (R19)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, exists, select

from hokusai_mlflow_plugin.db.keys import SeriesId, of_series
from hokusai_mlflow_plugin.db.schema.tables import corrections, decisions, reward_events
from hokusai_mlflow_plugin.domain.reward_events import Correction, EventType

# An alias: a query may have the table itself beside it.
_revocations = corrections.alias("revocations")


def is_revoked(decided: Any) -> ColumnElement[bool]:
    """Whether the DeltaOne of an achieved decision was revoked.

    Args:
        decided: The table of decisions, or an alias of it.
    """
    return exists().where(
        _revocations.c.workspace == decided.c.workspace,
        _revocations.c.of_decision_id == decided.c.decision_id,
        _revocations.c.kind == Correction.REVOKED.value,
    )


def latest_standing(connection: Connection, key: SeriesId) -> RowMapping | None:
    """The decision of the latest standing DeltaOne of a series, with its event; None for none.

    Shape: the columns of ``hokusai_decisions``, and ``event_id``. The ledger's order is the one in
    which the head moved; two servers' clocks may differ.
    """
    query = (
        select(decisions, reward_events.c.event_id)
        .select_from(
            reward_events.join(
                decisions,
                (decisions.c.workspace == reward_events.c.workspace)
                & (decisions.c.decision_id == reward_events.c.decision_id),
            )
        )
        .where(
            reward_events.c.workspace == key.workspace,
            reward_events.c.token_id == key.token_id,
            reward_events.c.type == EventType.ACHIEVED.value,
            *of_series(decisions, key),
            ~is_revoked(decisions),
        )
        .order_by(reward_events.c.sequence.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().one_or_none()
