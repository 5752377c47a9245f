"""Corrections, reviews and settlements of rewards, and how often the head of a series fell.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string, long_text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NEW_TABLES = (
    "hokusai_reward_corrections",
    "hokusai_reward_reviews",
    "hokusai_reward_settlements",
)


def upgrade() -> None:
    workspace = as_in_mlflow(op.get_bind(), "workspace", 63)
    migration_steps.create_table(
        "hokusai_reward_corrections",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("event_id", exact_string(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("of_event_id", exact_string(36)),
        sa.Column("of_decision_id", exact_string(36), nullable=False),
        sa.Column("reason", long_text(), nullable=False),
        sa.Column("actor", sa.String(256)),
        sa.Column("corrected_time", sa.BigInteger, nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", "event_id", name="pk_hokusai_reward_corrections"),
    )
    migration_steps.create_index(
        "ix_hokusai_reward_corrections_event",
        "hokusai_reward_corrections",
        ["workspace", "of_event_id"],
    )
    migration_steps.create_index(
        "ix_hokusai_reward_corrections_decision",
        "hokusai_reward_corrections",
        ["workspace", "of_decision_id"],
    )
    migration_steps.create_table(
        "hokusai_reward_reviews",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("event_id", exact_string(36), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16)),
        sa.Column("reason", long_text()),
        sa.Column("actor", sa.String(256)),
        sa.Column("review_time", sa.BigInteger, nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", "event_id", "step", name="pk_hokusai_reward_reviews"),
    )
    migration_steps.create_table(
        "hokusai_reward_settlements",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("event_id", exact_string(36), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reference", exact_string(256), nullable=False),
        sa.Column("actor", sa.String(256)),
        sa.Column("settled_time", sa.BigInteger, nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", "event_id", name="pk_hokusai_reward_settlements"),
    )
    # Null stands for none: what the release before writes has none of either.
    migration_steps.add_column("hokusai_series", sa.Column("falls", sa.Integer))
    migration_steps.add_column("hokusai_decisions", sa.Column("falls", sa.Integer))
    migration_steps.add_column("hokusai_reward_ledgers", sa.Column("settled_count", sa.BigInteger))
    migration_steps.create_index(
        "ix_hokusai_paid_runs_decision", "hokusai_paid_runs", ["workspace", "decision_id"]
    )


def downgrade() -> None:
    migration_steps.drop_index("ix_hokusai_paid_runs_decision", "hokusai_paid_runs")
    migration_steps.drop_column("hokusai_reward_ledgers", "settled_count")
    migration_steps.drop_column("hokusai_decisions", "falls")
    migration_steps.drop_column("hokusai_series", "falls")
    for name in _NEW_TABLES:
        migration_steps.drop_table(name)
