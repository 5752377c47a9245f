"""Character sets of their own for our columns on MySQL and MariaDB, and room for long texts.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-26
"""

from __future__ import annotations

from itertools import groupby

from alembic import op

from hokusai_mlflow_plugin.db.schema.character_sets import wrong_columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One statement for a table, which copies its rows once.
    for table, columns in groupby(wrong_columns(op.get_bind()), key=lambda each: each.table):
        changes = ", ".join(f"MODIFY `{each.column}` {each.definition}" for each in columns)
        op.execute(f"ALTER TABLE `{table}` {changes}")


def downgrade() -> None:
    """The release before reads these columns as they are."""
