"""What payees earned in all, kept beside the ledger.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    workspace = as_in_mlflow(op.get_bind(), "workspace", 63)
    migration_steps.create_table(
        "hokusai_payee_totals",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("benchmark_metric", exact_string(250), nullable=False),
        sa.Column("address", exact_string(42), nullable=False),
        sa.Column("deltaone_count", sa.BigInteger, nullable=False),
        sa.Column("improvement_pp", exact_string(128), nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint(
            "workspace", "token_id", "benchmark_metric", "address", name="pk_hokusai_payee_totals"
        ),
    )
    # Null stands for nothing added yet: the next event of a workspace adds all that came before it,
    # and until then who asks does.
    migration_steps.add_column(
        "hokusai_reward_ledgers", sa.Column("totalled_sequence", sa.BigInteger)
    )


def downgrade() -> None:
    migration_steps.drop_column("hokusai_reward_ledgers", "totalled_sequence")
    migration_steps.drop_table("hokusai_payee_totals")
