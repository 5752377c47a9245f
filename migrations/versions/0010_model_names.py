"""The names that models gave up, so that copies find their originals after a rename.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    name = as_in_mlflow(connection, "name", 256)
    migration_steps.create_table(
        "hokusai_model_names",
        sa.Column("workspace", as_in_mlflow(connection, "workspace", 63), nullable=False),
        sa.Column("name", name, nullable=False),
        sa.Column("until_time", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("new_name", name),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", "name", "until_time", name="pk_hokusai_model_names"),
    )


def downgrade() -> None:
    migration_steps.drop_table("hokusai_model_names")
