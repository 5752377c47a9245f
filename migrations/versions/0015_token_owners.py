"""Who owns a token, whose request a decision came from, and what happened besides decisions.

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-26
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

from hokusai_mlflow_plugin.db.schema import migration_steps
from hokusai_mlflow_plugin.db.schema.types import as_in_mlflow, exact_string, long_text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_USER = 255
_INDEXES = {
    "ix_hokusai_history_token": ("hokusai_history", "token_id", "entry_time", "entry_id"),
    "ix_hokusai_history_model": ("hokusai_history", "name", "entry_time", "entry_id"),
    "ix_hokusai_decisions_model": ("hokusai_decisions", "name", "decided_time", "decision_id"),
    "ix_hokusai_decisions_token": (
        "hokusai_decisions",
        *("token_id", "decided_time", "decision_id"),
    ),
}
_WITH_ACTOR = ("hokusai_decisions", "hokusai_policy_findings")
_SHOWN = 20

_logger = logging.getLogger("hokusai.migrations")


def upgrade() -> None:
    connection = op.get_bind()
    workspace = as_in_mlflow(connection, "workspace", 63)
    migration_steps.create_table(
        "hokusai_tokens",
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("claimed_time", sa.BigInteger, nullable=False),
        sa.Column("metrics", long_text()),
        sa.Column("ceiling_pp", exact_string(64)),
        sa.Column("declared_time", sa.BigInteger),
        sa.Column("closed_time", sa.BigInteger),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("token_id", name="pk_hokusai_tokens"),
    )
    migration_steps.create_table(
        "hokusai_token_publishers",
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("publisher", exact_string(_USER), nullable=False),
        sa.Column("granted_time", sa.BigInteger, nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("token_id", "publisher", name="pk_hokusai_token_publishers"),
    )
    migration_steps.create_table(
        "hokusai_history",
        sa.Column("workspace", workspace, nullable=False),
        sa.Column("entry_id", exact_string(36), nullable=False),
        sa.Column("entry_time", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("actor", exact_string(_USER)),
        sa.Column("token_id", exact_string(64)),
        sa.Column("name", as_in_mlflow(connection, "name", 256)),
        sa.Column("version", sa.Integer),
        sa.Column("details", long_text(), nullable=False),
        sa.Column("seal", exact_string(64)),
        sa.PrimaryKeyConstraint("workspace", "entry_id", name="pk_hokusai_history"),
    )
    for table in _WITH_ACTOR:
        migration_steps.add_column(table, sa.Column("actor", exact_string(_USER)))
    for name, (table, *columns) in _INDEXES.items():
        migration_steps.create_index(name, table, ["workspace", *columns])
    _report_shared_tokens(connection)


def downgrade() -> None:
    for name, (table, *_columns) in _INDEXES.items():
        if table == "hokusai_decisions":
            migration_steps.drop_index(name, table)
    for table in _WITH_ACTOR:
        migration_steps.drop_column(table, "actor")
    for table in ("hokusai_history", "hokusai_token_publishers", "hokusai_tokens"):
        migration_steps.drop_table(table)


def _report_shared_tokens(connection: sa.Connection) -> None:
    """Say which tokens live in more than one workspace: from now on each belongs to the first."""
    shared = connection.scalars(
        sa.text(
            "SELECT token_id FROM hokusai_series GROUP BY token_id "
            "HAVING MIN(workspace) <> MAX(workspace) ORDER BY token_id"
        )
    ).all()
    if shared:
        more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
        _logger.warning(
            "Tokens in more than one workspace: %s%s. Each belongs to the workspace that used it "
            "first, and earns nothing more in the others; 'hokusai-mlflow token check' lists them.",
            ", ".join(shared[:_SHOWN]),
            more,
        )
