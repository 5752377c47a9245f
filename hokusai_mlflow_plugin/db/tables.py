"""The project's own tables.

No foreign key leads to MLflow's tables: it would block MLflow's migrations (design section 4).
``workspace`` leads every key and index.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table

from hokusai_mlflow_plugin.db.types import exact_string

PREFIX = "hokusai_"
VERSION_TABLE = "alembic_version_hokusai"

metadata = MetaData()

token_index = Table(
    "hokusai_token_index",
    metadata,
    # Same type and collation as in MLflow's tables, so that joins use MLflow's primary keys.
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("token_id", exact_string(64), nullable=False),
    Column("benchmark_metric", exact_string(250), nullable=False),
    Column("benchmark_value", exact_string(64), nullable=False),
    Column("contributor_address", exact_string(42)),
    Column("creation_time", BigInteger, nullable=False),
)

# list-by-token and the token overview read ranges of it; see db/index_reads.py.
Index(
    "ix_hokusai_token_index_token",
    token_index.c.workspace,
    token_index.c.token_id,
    token_index.c.creation_time,
    token_index.c.name,
    token_index.c.version,
)
