"""What the tracking server's tables say of a run or a logged model (R14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, select

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    ACTIVE,
    experiments,
    latest_metrics,
    logged_model_metrics,
    logged_models,
    run_tags,
    runs,
)
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_ADDRESS_TAG
from hokusai_mlflow_plugin.domain.origin import ORIGIN_RUN_TAG, origin_runs


@dataclass(frozen=True)
class Sought:
    """What could have logged a version's value."""

    workspace: str
    run_id: str | None
    model_id: str | None
    """The logged model that the version comes from."""
    names: tuple[str, ...]
    """The metric's names."""


@dataclass(frozen=True)
class Logged:
    """One value that was logged."""

    value: float
    run_id: str
    """The run that made it; the logged model's own id where that came from no run."""
    experiment_id: int
    logged_by: str
    """The run that logged it: of a logged model that may be another one."""
    contributor: str | None = None
    """Tag ``contributor_address`` of the run that made it, if it has one."""
    origins: tuple[str, ...] = ()
    """The runs of other servers that those two are copies of (R16), in order."""

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Every run without which it would not be there, in order; on whichever server."""
        # They are taken in this order: of two decisions that rest on the same two runs one then
        # waits for the other, where in any order they could deadlock.
        return tuple(sorted({self.run_id, self.logged_by, *self.origins}))


def logged_values(connection: Connection, sought: Sought) -> Sequence[Logged]:
    """What a version's run, then its logged model, logged under a metric's names; no NaN.

    Of a run the latest value under each name; of a logged model, which is evaluated on several
    data sets, every one, the latest first. What was deleted, or is in another workspace, knows
    nothing.
    """
    found = list(_of_run(connection, sought)) if sought.run_id else []
    return [*found, *_of_model(connection, sought)] if sought.model_id else found


def _of_run(connection: Connection, sought: Sought) -> Sequence[Logged]:
    metric = latest_metrics.c
    query = (
        select(
            metric.key,
            metric.value,
            runs.c.run_uuid,
            runs.c.experiment_id,
            _contributor.c.value.label("by"),
            _origin.c.value.label("origin"),
        )
        .select_from(
            latest_metrics.join(runs, runs.c.run_uuid == metric.run_uuid)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .outerjoin(_contributor, _tells(_contributor, CONTRIBUTOR_ADDRESS_TAG, runs.c.run_uuid))
            .outerjoin(_origin, _tells(_origin, ORIGIN_RUN_TAG, runs.c.run_uuid))
        )
        .where(
            runs.c.lifecycle_stage == ACTIVE,
            experiments.c.workspace == sought.workspace,
            metric.run_uuid == sought.run_id,
            metric.key.in_(sought.names),
            metric.is_nan.is_(False),
        )
    )
    # Compared once more: MySQL finds a key in any case, and Accuracy is another metric than
    # accuracy.
    rows = [row for row in connection.execute(query) if row.key in sought.names]
    rows.sort(key=lambda row: sought.names.index(row.key))
    return [
        Logged(
            row.value,
            row.run_uuid,
            row.experiment_id,
            row.run_uuid,
            row.by,
            origin_runs(row.origin),
        )
        for row in rows
    ]


def _of_model(connection: Connection, sought: Sought) -> Sequence[Logged]:
    metric, model = logged_model_metrics.c, logged_models.c
    run_id = func.coalesce(model.source_run_id, model.model_id)
    query = (
        select(
            metric.metric_name,
            metric.metric_value,
            run_id,
            model.experiment_id,
            metric.run_id,
            _contributor.c.value,
            _origin.c.value,
            _origin_of_logging.c.value,
        )
        .select_from(
            logged_model_metrics.join(logged_models, model.model_id == metric.model_id)
            .join(experiments, experiments.c.experiment_id == model.experiment_id)
            .outerjoin(
                _contributor, _tells(_contributor, CONTRIBUTOR_ADDRESS_TAG, model.source_run_id)
            )
            .outerjoin(_origin, _tells(_origin, ORIGIN_RUN_TAG, model.source_run_id))
            .outerjoin(
                _origin_of_logging, _tells(_origin_of_logging, ORIGIN_RUN_TAG, metric.run_id)
            )
        )
        .where(
            model.lifecycle_stage == ACTIVE,
            experiments.c.workspace == sought.workspace,
            metric.model_id == sought.model_id,
            metric.metric_name.in_(sought.names),
            metric.metric_value.is_not(None),
            metric.metric_value == metric.metric_value,  # NaN equals nothing, but for PostgreSQL
        )
        .order_by(metric.metric_timestamp_ms.desc(), metric.metric_step.desc())
        .limit(_MAX_MODEL_METRICS)
    )
    found = connection.execute(query)
    return [
        Logged(value, run, experiment_id, logged_by, contributor, origin_runs(*origins))
        for name, value, run, experiment_id, logged_by, contributor, *origins in found
        if name in sought.names and value == value  # noqa: PLR0124  # NaN of PostgreSQL
    ]


_contributor = run_tags.alias("contributor")
_origin = run_tags.alias("origin")
_origin_of_logging = run_tags.alias("origin_of_logging")


def _tells(tags: FromClause, key: str, run_id: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(tags.c.run_uuid == run_id, tags.c.key == key)


_MAX_MODEL_METRICS = 1000
