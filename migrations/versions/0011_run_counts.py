"""On how many runs a reward rests, so that each note of one is missed.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-26
"""

from __future__ import annotations

import sqlalchemy as sa

from hokusai_mlflow_plugin.db.schema import migration_steps

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for the notes that are there: how many a decision had is not known any more.
    migration_steps.add_column("hokusai_paid_runs", sa.Column("run_count", sa.Integer))


def downgrade() -> None:
    migration_steps.drop_column("hokusai_paid_runs", "run_count")
