"""Token index: one row per tokenised model version.

Revision ID: 0001
Revises:
Create Date: 2026-11-24
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from hokusai_mlflow_plugin.db.types import exact_string

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hokusai_token_index",
        sa.Column("workspace", _as_in_mlflow("workspace", 63), nullable=False),
        sa.Column("name", _as_in_mlflow("name", 256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("token_id", exact_string(64), nullable=False),
        sa.Column("benchmark_metric", exact_string(250), nullable=False),
        sa.Column("benchmark_value", exact_string(64), nullable=False),
        sa.Column("contributor_address", exact_string(42)),
        sa.Column("creation_time", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name="pk_hokusai_token_index"),
    )
    op.create_index(
        "ix_hokusai_token_index_token",
        "hokusai_token_index",
        ["workspace", "token_id", "creation_time", "name", "version"],
    )


def downgrade() -> None:
    op.drop_table("hokusai_token_index")


def _as_in_mlflow(column: str, length: int) -> sa.types.TypeEngine[str]:
    """The string type of MLflow's own column, so that joins between the two use its keys.

    MySQL cannot use an index to join columns of different collations, and MLflow's follow the
    default that the database had when they were made.
    """
    if op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return sa.String(length)
    found = op.get_bind().execute(
        sa.text(
            "SELECT character_set_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = 'model_versions' "
            "AND column_name = :column"
        ),
        {"column": column},
    )
    charset, collation = found.one()
    return mysql.VARCHAR(length, charset=charset, collation=collation)
