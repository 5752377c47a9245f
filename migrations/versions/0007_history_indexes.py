"""Indexes with which no cost grows with how often a version was amended.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-26
"""

from __future__ import annotations

from hokusai_mlflow_plugin.db.schema import migration_steps

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_VERSION = ["workspace", "name", "version"]


def upgrade() -> None:
    migration_steps.create_index(
        "ix_hokusai_decisions_history",
        "hokusai_decisions",
        [*_VERSION, "decided_time", "decision_id"],
    )
    migration_steps.create_index(
        "ix_hokusai_decisions_outcome", "hokusai_decisions", [*_VERSION, "outcome"]
    )
    migration_steps.drop_index("ix_hokusai_decisions_version", "hokusai_decisions")


def downgrade() -> None:
    migration_steps.create_index("ix_hokusai_decisions_version", "hokusai_decisions", _VERSION)
    migration_steps.drop_index("ix_hokusai_decisions_outcome", "hokusai_decisions")
    migration_steps.drop_index("ix_hokusai_decisions_history", "hokusai_decisions")
