"""Decisions as they are recorded and read, and the heads of series."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, or_, select
from sqlalchemy.sql.selectable import FromClause

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.key_ranges import newest_before
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.schema.tables import decisions, series
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.domain.delta import Outcome

# Two aliases: a decision is shown with the one that it was measured against, so a query has the
# table twice.
decided = decisions.alias("decided")
baseline = decisions.alias("baseline")

IS_ACHIEVED = decisions.c.outcome == Outcome.ACHIEVED.value

DECISION_COLUMNS = (
    decided.c.decision_id.label("decision_id"),
    decided.c.outcome.label("decision_outcome"),
    decided.c.direction.label("decision_direction"),
    decided.c.value.label("decision_value"),
    decided.c.improvement_pp.label("decision_improvement_pp"),
    decided.c.reason.label("decision_reason"),
    decided.c.evidence.label("decision_evidence"),
    decided.c.logged_value.label("decision_logged_value"),
    decided.c.experiment_id.label("decision_experiment_id"),
    decided.c.unit.label("decision_unit"),
    decided.c.threshold_pp.label("decision_threshold_pp"),
    decided.c.decided_time.label("decision_time"),
    decided.c.actor.label("decision_actor"),
    decided.c.baseline_value.label("baseline_value"),
    baseline.c.name.label("baseline_name"),
    baseline.c.version.label("baseline_version"),
)
"""A decision and the version it was compared with, beside whatever else a query selects."""


def with_decisions(source: FromClause, keyed: Any) -> FromClause:
    """A source of rows joined with the decision that each row's ``decision_id`` names, if any.

    Args:
        source: What the query selects from.
        keyed: The table in it that has ``workspace`` and ``decision_id``.
    """
    is_decision = and_(
        decided.c.workspace == keyed.c.workspace, decided.c.decision_id == keyed.c.decision_id
    )
    return with_baselines(source.outerjoin(decided, is_decision))


def with_baselines(source: FromClause) -> FromClause:
    """A source that has ``decided`` in it, joined with the decision it was measured against."""
    return source.outerjoin(
        baseline,
        and_(
            baseline.c.workspace == decided.c.workspace,
            baseline.c.decision_id == decided.c.baseline_decision_id,
        ),
    )


def history(
    connection: Connection,
    version: VersionId,
    creation_time_ms: int,
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Decisions on a version, newest first, after the one with the key ``before``.

    The order is by time and id, both descending; ``before`` is such a pair.
    """
    query = (
        select(*DECISION_COLUMNS)
        .select_from(with_baselines(decided))
        .where(
            decided.c.workspace == version.workspace,
            decided.c.name == version.name,
            decided.c.version == version.version,
            decided.c.creation_time == creation_time_ms,
        )
        .order_by(decided.c.decided_time.desc(), decided.c.decision_id.desc())
        .limit(limit)
    )
    query = query.where(*newest_before(decided.c.decided_time, decided.c.decision_id, before))
    return connection.execute(query).mappings().all()


def actors_of(connection: Connection, version: VersionId, creation_time_ms: int) -> set[str | None]:
    """On whose requests decisions were in force on a version.

    One that only carries a head, which a correction has brought back there, supersedes itself.
    """
    query = select(decided.c.actor).where(
        decided.c.workspace == version.workspace,
        decided.c.name == version.name,
        decided.c.version == version.version,
        decided.c.creation_time == creation_time_ms,
        or_(decided.c.supersedes.is_(None), decided.c.supersedes != decided.c.decision_id),
    )
    return set(connection.scalars(query.distinct()))


def of_model_or_token(
    connection: Connection,
    workspace: str,
    of: ModelId | str,
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Decisions on the versions of a model, or under a token, newest first.

    Shape: ``DECISION_COLUMNS``, with the version and the token that each is about.

    Args:
        connection: Where to ask.
        workspace: The workspace.
        of: The model, or the token's id.
        before: Time and id of the one before, in this order.
        limit: How many at most.
    """
    query = (
        select(*DECISION_COLUMNS, decided.c.name, decided.c.version, decided.c.token_id)
        .select_from(with_baselines(decided))
        .where(
            decided.c.workspace == workspace,
            decided.c.name == of.name if isinstance(of, ModelId) else decided.c.token_id == of,
            *newest_before(decided.c.decided_time, decided.c.decision_id, before),
        )
        .order_by(decided.c.decided_time.desc(), decided.c.decision_id.desc())
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def series_of(
    connection: Connection, workspace: str, token_ids: Collection[str]
) -> Sequence[RowMapping]:
    """The series of tokens with the version that holds each head, by token and metric."""
    query = (
        select(series, decisions.c.name, decisions.c.version)
        .select_from(
            series.outerjoin(
                decisions,
                and_(
                    decisions.c.workspace == series.c.workspace,
                    decisions.c.decision_id == series.c.head_decision_id,
                ),
            )
        )
        .where(series.c.workspace == workspace, series.c.token_id.in_(sorted(token_ids)))
        .order_by(series.c.token_id, series.c.benchmark_metric)
    )
    return connection.execute(query).mappings().all()


def read_decision(
    connection: Connection, workspace: str, decision_id: str | None
) -> dict[str, Any] | None:
    """One decision as it is recorded, or None where there is none with this id."""
    query = select(decisions).where(
        decisions.c.workspace == workspace, decisions.c.decision_id == decision_id
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def record_decision(writes: JoinedWrites, row: Mapping[str, Any]) -> None:
    """Write one decision; they are never changed, save for the name in a rename."""
    writes.insert(decisions, as_recorded(row))


def as_recorded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A decision's row with the name that its version has now, sealed."""
    return sealed(decisions, {**row, "decided_name": row["name"]})
