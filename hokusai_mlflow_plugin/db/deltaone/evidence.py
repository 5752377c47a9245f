"""What the tracking server's tables say of a run."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    ACTIVE,
    latest_metrics,
    runs,
)


def logged_metric(connection: Connection, run_id: str, metric: str) -> float | None:
    """The latest value that a run logged for a metric, or None; NaN counts as none.

    A run that was deleted knows nothing any more.
    """
    rows = connection.execute(
        select(latest_metrics.c.key, latest_metrics.c.value)
        .select_from(latest_metrics.join(runs, runs.c.run_uuid == latest_metrics.c.run_uuid))
        .where(
            runs.c.lifecycle_stage == ACTIVE,
            latest_metrics.c.run_uuid == run_id,
            latest_metrics.c.key == metric,
            latest_metrics.c.is_nan.is_(False),
        )
    )
    return next((value for key, value in rows if key == metric), None)
