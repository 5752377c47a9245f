"""What a reward was measured by, the runs that rewards rest on, and one name for each metric.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-26
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    connection = op.get_bind()
    migration_steps.add_column("hokusai_decisions", sa.Column("unit", sa.String(64)))
    migration_steps.add_column("hokusai_decisions", sa.Column("threshold_pp", exact_string(64)))
    migration_steps.add_column("hokusai_decisions", sa.Column("experiment_id", sa.BigInteger))
    migration_steps.create_index(
        "ix_hokusai_series_token", "hokusai_series", ["token_id", "benchmark_metric"]
    )
    migration_steps.create_table(
        "hokusai_paid_runs",
        sa.Column("run_id", exact_string(36), nullable=False),
        sa.Column("workspace", as_in_mlflow(connection, "workspace", 63), nullable=False),
        sa.Column("decision_id", exact_string(36), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_hokusai_paid_runs"),
    )
    _note_paid_runs(connection)
    # Indexing once more gives every row its metric's canonical name, and joins the series of names
    # of one metric (services/deltaone/joined_series.py); it knows the operator's metrics too.
    state = sa.table("hokusai_state", sa.column("key", sa.String), sa.column("value", sa.String))
    connection.execute(state.update().where(state.c.key == "backfill").values(value="pending"))


def _note_paid_runs(connection: sa.Connection) -> None:
    """The runs of the rewards so far; of two that rest on one run the first keeps it."""
    columns = ("workspace", "sequence", "decision_id", "data")
    events = sa.table("hokusai_reward_events", *map(sa.column, columns))
    paid_runs = sa.table(
        "hokusai_paid_runs", *map(sa.column, ("run_id", "workspace", "decision_id"))
    )
    # Those of a run that was killed are there already: MySQL commits before each DDL statement.
    noted = set(connection.scalars(sa.select(paid_runs.c.run_id)))
    for workspace in sorted(connection.scalars(sa.select(events.c.workspace).distinct())):
        last = 0
        while rows := connection.execute(
            sa.select(events)
            .where(events.c.workspace == workspace, events.c.sequence > last)
            .order_by(events.c.sequence)
            .limit(_BATCH)
        ).all():
            found = {}
            for row in rows:
                data = json.loads(row.data)
                run_id = data.get("run_id")
                if data.get("evidence") == "run_backed" and run_id and run_id not in noted:
                    noted.add(run_id)
                    found[run_id] = row.decision_id
            if found:
                op.bulk_insert(
                    paid_runs,
                    [
                        {"run_id": run_id, "workspace": workspace, "decision_id": decision_id}
                        for run_id, decision_id in found.items()
                    ],
                )
            last = rows[-1].sequence


def downgrade() -> None:
    migration_steps.drop_table("hokusai_paid_runs")
    migration_steps.drop_index("ix_hokusai_series_token", "hokusai_series")
    migration_steps.drop_column("hokusai_decisions", "experiment_id")
    migration_steps.drop_column("hokusai_decisions", "threshold_pp")
    migration_steps.drop_column("hokusai_decisions", "unit")
