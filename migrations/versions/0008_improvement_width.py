"""Improvements between values as far apart as the rules take them.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-26
"""

from __future__ import annotations

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import exact_string

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COLUMN = ("hokusai_decisions", "improvement_pp")


def upgrade() -> None:
    # No table is rewritten for it, but on SQLite, which has no other way.
    migration_steps.resize_column(*_COLUMN, exact_string(64), exact_string(96))


def downgrade() -> None:
    migration_steps.resize_column(*_COLUMN, exact_string(96), exact_string(64))
