"""MLflow's registry tables, as far as the project's SQL reads them.

MLflow's models are not imported: this layer stays free of MLflow, and no table of MLflow's enters
our metadata. ``tests/contract`` compares the columns with those that MLflow declares.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
)
from sqlalchemy.sql.selectable import FromClause

DELETED_STAGE = "Deleted_Internal"

_mlflow = MetaData()

registered_models = Table(
    "registered_models",
    _mlflow,
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String(5000)),
)

registered_model_tags = Table(
    "registered_model_tags",
    _mlflow,
    Column("workspace", String(63), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("value", String(5000)),
)

registered_model_aliases = Table(
    "registered_model_aliases",
    _mlflow,
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("alias", String(256), primary_key=True),
    Column("version", Integer),
)

model_versions = Table(
    "model_versions",
    _mlflow,
    Column("workspace", String(63), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String(5000)),
    Column("user_id", String(256)),
    Column("current_stage", String(20)),
    Column("source", String(500)),
    Column("run_id", String(32)),
    Column("status", String(20)),
    Column("status_message", String(500)),
    Column("run_link", String(500)),
)

model_version_tags = Table(
    "model_version_tags",
    _mlflow,
    Column("workspace", String(63), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("value", Text),
)

latest_metrics = Table(
    "latest_metrics",
    _mlflow,
    Column("run_uuid", String(32), primary_key=True),
    Column("key", String(250), primary_key=True),
    Column("value", Double),
    Column("is_nan", Boolean),
)

runs = Table(
    "runs",
    _mlflow,
    Column("run_uuid", String(32), primary_key=True),
    Column("experiment_id", Integer),
    Column("lifecycle_stage", String(20)),
)
ACTIVE = "active"
"""``lifecycle_stage`` of a run or a logged model that is not deleted."""

run_tags = Table(
    "tags",
    _mlflow,
    Column("key", String(250), primary_key=True),
    Column("value", String(8000)),
    Column("run_uuid", String(32), primary_key=True),
)

experiments = Table(
    "experiments",
    _mlflow,
    Column("experiment_id", Integer, primary_key=True),
    Column("workspace", String(63)),
)

logged_models = Table(
    "logged_models",
    _mlflow,
    Column("model_id", String(36), primary_key=True),
    Column("experiment_id", Integer),
    Column("lifecycle_stage", String(32)),
    Column("source_run_id", String(32)),
)

logged_model_metrics = Table(
    "logged_model_metrics",
    _mlflow,
    Column("model_id", String(36), primary_key=True),
    Column("metric_name", String(500), primary_key=True),
    Column("metric_timestamp_ms", BigInteger, primary_key=True),
    Column("metric_step", BigInteger, primary_key=True),
    Column("run_id", String(32), primary_key=True),
    Column("metric_value", Double),
)

LIVE = model_versions.c.current_stage != DELETED_STAGE
"""Deleting a version is soft: it keeps its row and its tags."""


def same_version(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """The join condition of two tables that are keyed by model version."""
    return and_(
        one.c.workspace == other.c.workspace,
        one.c.name == other.c.name,
        one.c.version == other.c.version,
    )
