"""Decisions, series heads, reward events and their delivery log.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-24
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    workspace = as_in_mlflow(connection, "workspace", 63)
    name = as_in_mlflow(connection, "name", 256)
    migration_steps.add_column("hokusai_token_index", sa.Column("decision_id", exact_string(36)))
    migration_steps.create_table(
        "hokusai_series",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("benchmark_metric", exact_string(250), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("baseline_value", exact_string(64), nullable=False),
        sa.Column("head_value", exact_string(64), nullable=False),
        sa.Column("head_decision_id", exact_string(36), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "token_id", "benchmark_metric", name="pk_hokusai_series"
        ),
    )
    migration_steps.create_table(
        "hokusai_decisions",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("decision_id", exact_string(36), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("creation_time", sa.BigInteger, nullable=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("benchmark_metric", exact_string(250), nullable=False),
        sa.Column("value", exact_string(64), nullable=False),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("direction", sa.String(8)),
        sa.Column("baseline_decision_id", exact_string(36)),
        sa.Column("baseline_value", exact_string(64)),
        sa.Column("improvement_pp", exact_string(64)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.String(16), nullable=False),
        sa.Column("logged_value", exact_string(64)),
        sa.Column("supersedes", exact_string(36)),
        sa.Column("decided_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "decision_id", name="pk_hokusai_decisions"),
    )
    migration_steps.create_index(
        "ix_hokusai_decisions_version", "hokusai_decisions", ["workspace", "name", "version"]
    )
    migration_steps.create_index(
        "ix_hokusai_decisions_baseline",
        "hokusai_decisions",
        ["workspace", "baseline_decision_id"],
    )
    migration_steps.create_table(
        "hokusai_reward_ledgers",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("ledger_id", exact_string(36), nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("last_hash", exact_string(64), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name="pk_hokusai_reward_ledgers"),
    )
    migration_steps.create_table(
        "hokusai_reward_events",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("event_id", exact_string(36), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("event_time", sa.BigInteger, nullable=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("decision_id", exact_string(36), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("previous_hash", exact_string(64), nullable=False),
        sa.Column("hash", exact_string(64), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "sequence", name="pk_hokusai_reward_events"),
    )
    migration_steps.create_index(
        "uq_hokusai_reward_events_event_id",
        "hokusai_reward_events",
        ["workspace", "event_id"],
        unique=True,
    )
    migration_steps.create_index(
        "ix_hokusai_reward_events_token",
        "hokusai_reward_events",
        ["workspace", "token_id", "sequence"],
    )
    migration_steps.create_table(
        "hokusai_reward_deliveries",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_time", sa.BigInteger, nullable=False),
        sa.Column("replayed_after", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "sequence", name="pk_hokusai_reward_deliveries"),
    )
    migration_steps.create_index(
        "ix_hokusai_reward_deliveries_due",
        "hokusai_reward_deliveries",
        ["status", "next_attempt_time"],
    )
    migration_steps.create_table(
        "hokusai_reward_attempts",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("attempt", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("attempt_time", sa.BigInteger, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint(
            "workspace", "sequence", "attempt", name="pk_hokusai_reward_attempts"
        ),
    )


def downgrade() -> None:
    for table in (
        "hokusai_reward_attempts",
        "hokusai_reward_deliveries",
        "hokusai_reward_events",
        "hokusai_reward_ledgers",
        "hokusai_decisions",
        "hokusai_series",
    ):
        migration_steps.drop_table(table)
    migration_steps.drop_column("hokusai_token_index", "decision_id")
