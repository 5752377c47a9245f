"""Token index: one row per tokenised model version.

Revision ID: 0001
Revises:
Create Date: 2026-11-24
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    migration_steps.create_table(
        "hokusai_token_index",
        sa.Column("workspace", as_in_mlflow(connection, "workspace", 63), nullable=False),
        sa.Column("name", as_in_mlflow(connection, "name", 256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("benchmark_metric", exact_string(250), nullable=False),
        sa.Column("benchmark_value", exact_string(64), nullable=False),
        sa.Column("contributor_address", exact_string(42)),
        sa.Column("creation_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name="pk_hokusai_token_index"),
    )
    migration_steps.create_index(
        "ix_hokusai_token_index_token",
        "hokusai_token_index",
        ["workspace", "token_id", "creation_time", "name", "version"],
    )


def downgrade() -> None:
    migration_steps.drop_table("hokusai_token_index")
