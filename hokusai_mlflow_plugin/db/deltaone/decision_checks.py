"""The SQL with which decisions are checked, one by one and against what names them.

Source: R10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, RowMapping, and_, exists, func, select

from hokusai_mlflow_plugin.db.key_ranges import follows
from hokusai_mlflow_plugin.db.schema.mlflow_tables import model_versions
from hokusai_mlflow_plugin.db.schema.tables import decisions, series, token_index
from hokusai_mlflow_plugin.domain.delta import SETS_HEAD

_BATCH_ROWS = 2_000
_against, _superseded, _other = decisions.alias(), decisions.alias(), decisions.alias()

_CHECKED = (
    select(
        decisions,
        _against.c.value.label("against_value"),
        _against.c.falls.label("against_falls"),
        _superseded.c.decision_id.label("superseded_id"),
        series.c.direction.label("series_direction"),
    )
    .select_from(
        decisions.outerjoin(
            _against,
            and_(
                _against.c.workspace == decisions.c.workspace,
                _against.c.decision_id == decisions.c.baseline_decision_id,
                _against.c.token_id == decisions.c.token_id,
                _against.c.benchmark_metric == decisions.c.benchmark_metric,
                _against.c.outcome.in_(SETS_HEAD),
            ),
        )
        .outerjoin(
            _superseded,
            and_(
                _superseded.c.workspace == decisions.c.workspace,
                _superseded.c.decision_id == decisions.c.supersedes,
                _superseded.c.name == decisions.c.name,
                _superseded.c.version == decisions.c.version,
                _superseded.c.creation_time == decisions.c.creation_time,
            ),
        )
        .outerjoin(
            series,
            and_(
                series.c.workspace == decisions.c.workspace,
                series.c.token_id == decisions.c.token_id,
                series.c.benchmark_metric == decisions.c.benchmark_metric,
            ),
        )
    )
    .order_by(decisions.c.workspace, decisions.c.decision_id)
)


def read_decisions(connection: Connection, workspace: str) -> Iterator[RowMapping]:
    """Every decision with the value that it was measured against, the decision that it supersedes
    and the direction of its series; nulls where one of these is gone or another's.

    A statement for each batch: writers go on meanwhile.
    """
    query = _CHECKED.where(decisions.c.workspace == workspace).limit(_BATCH_ROWS)
    key = decisions.c.decision_id
    rows = connection.execute(query).mappings().all()
    while rows:
        yield from rows
        after = follows(connection, [key], [rows[-1]["decision_id"]])
        rows = connection.execute(query.where(after)).mappings().all()


def read_named(
    connection: Connection, workspace: str, decision_ids: Sequence[str]
) -> Sequence[RowMapping]:
    """Decisions as :func:`read_decisions` has them, and how many took over the head each left."""
    rivals = (
        select(func.count())
        .where(
            _other.c.workspace == decisions.c.workspace,
            _other.c.baseline_decision_id == decisions.c.baseline_decision_id,
            _other.c.outcome.in_(SETS_HEAD),
        )
        .scalar_subquery()
    )
    query = _CHECKED.add_columns(rivals.label("took_over")).where(
        decisions.c.workspace == workspace, decisions.c.decision_id.in_(decision_ids)
    )
    return connection.execute(query).mappings().all()


def unknown_decisions_in_index(
    connection: Connection, workspace: str
) -> Sequence[tuple[str, int, str]]:
    """Name, version and decision of index rows whose decision is gone, or on another version."""
    is_own = exists().where(
        decisions.c.workspace == token_index.c.workspace,
        decisions.c.decision_id == token_index.c.decision_id,
        decisions.c.name == token_index.c.name,
        decisions.c.version == token_index.c.version,
        decisions.c.creation_time == token_index.c.creation_time,
    )
    query = (
        select(token_index.c.name, token_index.c.version, token_index.c.decision_id)
        .where(
            token_index.c.workspace == workspace, token_index.c.decision_id.is_not(None), ~is_own
        )
        .order_by(token_index.c.name, token_index.c.version)
    )
    return [
        (name, version, decision_id) for name, version, decision_id in connection.execute(query)
    ]


def renamed_decisions(connection: Connection, workspace: str) -> Sequence[str]:
    """Ids of decisions whose version still has the name they were taken under, and they have not.

    In order.
    """
    has_old_name = exists().where(
        model_versions.c.workspace == decisions.c.workspace,
        model_versions.c.name == decisions.c.decided_name,
        model_versions.c.version == decisions.c.version,
        func.coalesce(model_versions.c.creation_time, 0) == decisions.c.creation_time,
    )
    query = (
        select(decisions.c.decision_id)
        .where(
            decisions.c.workspace == workspace,
            decisions.c.name != decisions.c.decided_name,
            has_old_name,
        )
        .order_by(decisions.c.decision_id)
    )
    return connection.scalars(query).all()
