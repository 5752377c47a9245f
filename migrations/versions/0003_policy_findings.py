"""What the audit policy let pass, and whether data from before the plugin is indexed.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-24
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    migration_steps.create_table(
        "hokusai_policy_findings",
        sa.Column("workspace", as_in_mlflow(connection, "workspace", 63), nullable=False),
        sa.Column("name", as_in_mlflow(connection, "name", 256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("creation_time", sa.BigInteger, nullable=False),
        sa.Column("codes", sa.String(500), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("found_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name="pk_hokusai_policy_findings"),
    )
    migration_steps.create_table(
        "hokusai_state",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("value", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_hokusai_state"),
    )
    state = sa.table("hokusai_state", sa.column("key", sa.String), sa.column("value", sa.String))
    backfill = sa.select(state.c.value).where(state.c.key == "backfill")
    if connection.scalar(backfill) is None:
        op.bulk_insert(state, [{"key": "backfill", "value": "pending"}])


def downgrade() -> None:
    migration_steps.drop_table("hokusai_state")
    migration_steps.drop_table("hokusai_policy_findings")
