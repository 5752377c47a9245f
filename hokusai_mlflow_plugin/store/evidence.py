"""What the tracking server knows of a run's metric.

Source: R10, ``evidence``. Read straight from the tracking database: one statement, on the
write's own connection where tracking and registry share a database.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.deltaone.evidence import logged_metric
from hokusai_mlflow_plugin.services.deltaone.judge import LoggedMetric
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    engine_of,
    is_database_uri,
    server_tracking_uri,
)


def evidence_source(registry: Engine, tracking_uri: str | None) -> LoggedMetric:
    """How to look up the metric that a run logged.

    Args:
        registry: The registry's engine.
        tracking_uri: The tracking store that MLflow told the registry store of. A server's own
            comes first. Where it is no database, nothing is known and values stay claims: asking
            a remote server inside a database transaction could hold its locks for minutes.
    """
    uri = server_tracking_uri() or tracking_uri
    if uri is None or not is_database_uri(uri):
        return _nothing
    tracking = engine_of(uri)
    if tracking.url == registry.url:
        return logged_metric

    def ask(_connection: Connection, run_id: str, metric: str) -> float | None:
        with tracking.connect() as connection:
            return logged_metric(connection, run_id, metric)

    return ask


def _nothing(_connection: Connection, _run_id: str, _metric: str) -> float | None:
    return None
