"""When each ledger was last verified, and what that found.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string, long_text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migration_steps.create_table(
        "hokusai_verifications",
        sa.Column("workspace", as_in_mlflow(op.get_bind(), "workspace", 63), nullable=False),
        sa.Column("verified_time", sa.BigInteger, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("fault_count", sa.Integer, nullable=False),
        sa.Column("faults", long_text(), nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", name="pk_hokusai_verifications"),
    )


def downgrade() -> None:
    migration_steps.drop_table("hokusai_verifications")
