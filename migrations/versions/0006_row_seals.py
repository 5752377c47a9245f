"""Seals that show an edit past the servers, and a mark for each ledger that was begun.

What is there already is sealed as it is found.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-26
"""

from __future__ import annotations

import json
import uuid

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_seals, migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SEALED = (
    "hokusai_decisions",
    "hokusai_reward_deliveries",
    "hokusai_reward_attempts",
    "hokusai_paid_runs",
    "hokusai_policy_findings",
    "hokusai_state",
)


_STATE = sa.table("hokusai_state", sa.column("key", sa.String), sa.column("value", sa.String))


def upgrade() -> None:
    connection = op.get_bind()
    name = as_in_mlflow(connection, "name", 256)
    migration_steps.add_column("hokusai_decisions", sa.Column("decided_name", name))
    for table in _SEALED:
        migration_steps.add_column(table, sa.Column("seal", exact_string(64)))
    _fill_names(connection)
    _mark_ledgers(connection)
    for table in _SEALED:
        migration_seals.seal_rows(connection, table)


def downgrade() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("DELETE FROM hokusai_state WHERE value = 'ledger'"))
    for table in _SEALED:
        migration_steps.drop_column(table, "seal")
    migration_steps.drop_column("hokusai_decisions", "decided_name")


def _fill_names(connection: sa.Connection) -> None:
    """The name that a decision was taken under: where an event tells it, that; else today's."""
    connection.execute(sa.text("UPDATE hokusai_decisions SET decided_name = name"))
    events = sa.text("SELECT workspace, decision_id, data FROM hokusai_reward_events")
    told = []
    for workspace, decision_id, data in connection.execute(events):
        try:
            name = json.loads(data)["name"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # an event that was edited: 'rewards verify' names it
        told.append({"workspace": workspace, "decision_id": decision_id, "name": str(name)})
    if told:
        update = sa.text(
            "UPDATE hokusai_decisions SET decided_name = :name "
            "WHERE workspace = :workspace AND decision_id = :decision_id AND name <> :name"
        )
        connection.execute(update, told)


def _mark_ledgers(connection: sa.Connection) -> None:
    # As in revision 0004: a run that was killed may have marked some.
    marked = set(connection.scalars(sa.select(_STATE.c.key)))
    for ledger_id in connection.scalars(sa.text("SELECT ledger_id FROM hokusai_reward_ledgers")):
        try:
            mark = uuid.UUID(ledger_id).hex
        except ValueError:
            continue  # a ledger that was edited: 'rewards verify' names it
        if mark not in marked:
            connection.execute(_STATE.insert(), {"key": mark, "value": "ledger"})
