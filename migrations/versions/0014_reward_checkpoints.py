"""The checkpoints of reward ledgers.

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-27
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string, long_text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migration_steps.create_table(
        "hokusai_reward_checkpoints",
        sa.Column("workspace", as_in_mlflow(op.get_bind(), "workspace", 63), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("checkpoint_time", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("note", long_text(), nullable=False),
        sa.Column("public_keys", long_text(), nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint(
            "workspace", "sequence", "checkpoint_time", name="pk_hokusai_reward_checkpoints"
        ),
    )


def downgrade() -> None:
    migration_steps.drop_table("hokusai_reward_checkpoints")
