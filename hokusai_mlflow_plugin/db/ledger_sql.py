"""The SQL of the reward ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select

from hokusai_mlflow_plugin.db.tables import decisions, deliveries, ledgers, reward_events
from hokusai_mlflow_plugin.db.upsert import insert_if_absent
from hokusai_mlflow_plugin.domain.delivery import DeliveryStatus
from hokusai_mlflow_plugin.domain.delta import Outcome


@dataclass(frozen=True)
class LedgerTail:
    """The end of a workspace's chain of events."""

    ledger_id: str
    last_sequence: int
    last_hash: str


def lock_ledger(
    connection: Connection, workspace: str, new_ledger_id: str, first_hash: str
) -> LedgerTail:
    """The end of the chain, locked until the transaction ends; begins a chain where none is."""
    tail = read_tail(connection, workspace, lock=True)
    if tail is None:
        row = {
            "workspace": workspace,
            "ledger_id": new_ledger_id,
            "last_sequence": 0,
            "last_hash": first_hash,
        }
        insert_if_absent(connection, ledgers, row)
        tail = read_tail(connection, workspace, lock=True)
    assert tail is not None  # noqa: S101  # it was just written, by this writer or another
    return tail


def read_tail(connection: Connection, workspace: str, *, lock: bool = False) -> LedgerTail | None:
    """The end of the chain as the ledger's own row has it, or None before the first event."""
    query = select(ledgers.c.ledger_id, ledgers.c.last_sequence, ledgers.c.last_hash).where(
        ledgers.c.workspace == workspace
    )
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else LedgerTail(*row)


def insert_event(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write an event, and with it its delivery, due at once."""
    connection.execute(reward_events.insert().values(**row))
    connection.execute(
        deliveries.insert().values(
            workspace=row["workspace"],
            sequence=row["sequence"],
            status=DeliveryStatus.PENDING.value,
            attempts=0,
            next_attempt_time=row["event_time"],
            replayed_after=0,
        )
    )


def advance(connection: Connection, workspace: str, sequence: int, digest: str) -> None:
    """Move the end of the chain to a new event."""
    connection.execute(
        ledgers.update()
        .where(ledgers.c.workspace == workspace)
        .values(last_sequence=sequence, last_hash=digest)
    )


def read_events(
    connection: Connection, workspace: str, after: int, limit: int, token_id: str | None = None
) -> Sequence[RowMapping]:
    """Events in the order of their sequence, after a sequence number."""
    query = (
        select(reward_events)
        .where(reward_events.c.workspace == workspace, reward_events.c.sequence > after)
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    if token_id is not None:
        query = query.where(reward_events.c.token_id == token_id)
    return connection.execute(query).mappings().all()


def workspaces(connection: Connection) -> list[str]:
    """Every workspace that has a ledger or events, in order."""
    query = select(ledgers.c.workspace).union(select(reward_events.c.workspace))
    return sorted(connection.scalars(query))


def read_audited_events(
    connection: Connection, workspace: str, after: int, limit: int
) -> Sequence[RowMapping]:
    """Events in order, each with what its decision says (nulls where the decision is gone)."""
    query = (
        select(
            reward_events,
            decisions.c.outcome.label("decision_outcome"),
            decisions.c.token_id.label("decision_token_id"),
            decisions.c.benchmark_metric.label("decision_metric"),
            decisions.c.value.label("decision_value"),
            decisions.c.improvement_pp.label("decision_improvement_pp"),
        )
        .select_from(reward_events.outerjoin(decisions, _of_decision()))
        .where(reward_events.c.workspace == workspace, reward_events.c.sequence > after)
        .order_by(reward_events.c.sequence)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def decisions_without_event(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of achieved decisions that no event stands for, in the order they were taken."""
    query = (
        select(decisions.c.decision_id)
        .select_from(decisions.outerjoin(reward_events, _of_decision()))
        .where(
            decisions.c.workspace == workspace,
            decisions.c.outcome == Outcome.ACHIEVED.value,
            reward_events.c.sequence.is_(None),
        )
        .order_by(decisions.c.decided_time, decisions.c.decision_id)
    )
    return connection.scalars(query).all()


def _of_decision() -> ColumnElement[bool]:
    return and_(
        decisions.c.workspace == reward_events.c.workspace,
        decisions.c.decision_id == reward_events.c.decision_id,
    )
