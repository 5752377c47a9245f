"""The SQL of taking over a registry that is older than the plugin."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, select

from hokusai_mlflow_plugin.db.deltaone.decision_log import as_recorded
from hokusai_mlflow_plugin.db.index.live_index import OF_LIVE_VERSION
from hokusai_mlflow_plugin.db.keys import SeriesId, of_series
from hokusai_mlflow_plugin.db.schema.mlflow_tables import model_version_tags, same_version
from hokusai_mlflow_plugin.db.schema.tables import decisions, series, token_index
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG

_FETCH = 5_000
_LOOKED_UP = 500
"""Ids in one statement: databases bound the number of its parameters."""

_DECIDED = (
    decisions.c.outcome,
    decisions.c.evidence,
    decisions.c.logged_value,
    decisions.c.experiment_id,
)
_IN_FORCE = and_(
    decisions.c.workspace == token_index.c.workspace,
    decisions.c.decision_id == token_index.c.decision_id,
)


def workspaces(connection: Connection) -> Sequence[str]:
    """Workspaces that have tokenised versions, in order."""
    return sorted(connection.scalars(select(token_index.c.workspace).distinct()))


def token_after(connection: Connection, workspace: str, after: str, row_count: int) -> str | None:
    """The token at which a batch of about so many index rows ends; None where fewer are left."""
    query = (
        select(token_index.c.token_id)
        .where(token_index.c.workspace == workspace, token_index.c.token_id > after)
        .order_by(token_index.c.token_id)
        # A batch ends between two tokens: the best value of a series has to be sought in all of it.
        .offset(row_count - 1)
        .limit(1)
    )
    return connection.scalar(query)


def read_values(
    connection: Connection,
    workspace: str,
    after: str | None,
    last: str | None,
    catalogued: Collection[str],
) -> Iterator[Row[Any]]:
    """Index rows of the tokens after one and up to another, with their ``benchmark_direction``.

    The direction is looked up only where the catalogue does not know the metric. What was decided
    on them is :func:`read_decided`'s: joined here, on tables that a backfill is just filling and
    that have no statistics yet, PostgreSQL compares each row with each decision.
    """
    tag = model_version_tags
    is_direction = and_(
        same_version(tag, token_index),
        tag.c.key == DIRECTION_TAG,
        token_index.c.benchmark_metric.not_in(sorted(catalogued)),
    )
    query = (
        select(token_index, tag.c.value.label("direction"))
        .select_from(token_index.outerjoin(tag, is_direction))
        .where(token_index.c.workspace == workspace, *_tokens(token_index, after, last))
        .order_by(token_index.c.token_id, token_index.c.creation_time)
        # Streamed: a batch ends between tokens, and one token alone can have a million versions.
        .execution_options(yield_per=_FETCH)
    )
    return iter(connection.execute(query))


def read_decided(
    connection: Connection, workspace: str, decision_ids: Iterable[str]
) -> Mapping[str, Row[Any]]:
    """What was decided, by the decision's id."""
    found: dict[str, Row[Any]] = {}
    ids = iter(decision_ids)
    while some := list(islice(ids, _LOOKED_UP)):
        query = select(decisions.c.decision_id, *_DECIDED).where(
            decisions.c.workspace == workspace, decisions.c.decision_id.in_(some)
        )
        found.update({row.decision_id: row for row in connection.execute(query)})
    return found


def in_force(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    """What was decided on the version of an index row; None where nothing was."""
    ids = [row.decision_id] if row.decision_id else []
    return read_decided(connection, row.workspace, ids).get(row.decision_id)


def read_live(connection: Connection, key: SeriesId) -> Iterator[Row[Any]]:
    """Index rows of a series' live versions, each with its decision's outcome; oldest first.

    Versions and outcomes are looked up row by row: joined, PostgreSQL compares each row with each
    version of the workspace where it has no statistics yet.
    """
    outcome = select(decisions.c.outcome).where(_IN_FORCE).scalar_subquery().label("outcome")
    query = (
        select(token_index, outcome)
        .where(
            token_index.c.workspace == key.workspace,
            token_index.c.token_id == key.token_id,
            token_index.c.benchmark_metric == key.benchmark_metric,
            OF_LIVE_VERSION,
        )
        .order_by(token_index.c.creation_time, token_index.c.name, token_index.c.version)
    )
    return iter(connection.execute(query.execution_options(yield_per=_FETCH)))


def heads(
    connection: Connection, workspace: str, after: str | None, last: str | None
) -> Mapping[SeriesId, Row[Any]]:
    """The series that have a head already, in the same range of tokens."""
    query = select(series).where(series.c.workspace == workspace, *_tokens(series, after, last))
    return {
        SeriesId(workspace, row.token_id, row.benchmark_metric): row
        for row in connection.execute(query)
    }


def _tokens(table: Table, after: str | None, last: str | None) -> list[ColumnElement[bool]]:
    """Whether a row is of a token after one and up to another; of the other alone after None."""
    if after is None:
        return [table.c.token_id == last]
    bounds = [table.c.token_id > after]
    return bounds if last is None else [*bounds, table.c.token_id <= last]


def read_head(connection: Connection, key: SeriesId) -> Row[Any] | None:
    """A series with its head."""
    return connection.execute(select(series).where(*of_series(series, key))).one_or_none()


def lock_head(connection: Connection, key: SeriesId) -> Row[Any] | None:
    """A series with its head, locked until the transaction ends."""
    query = select(series).where(*of_series(series, key)).with_for_update()
    return connection.execute(query).one_or_none()


def record(connection: Connection, decision_rows: Sequence[Mapping[str, Any]]) -> None:
    """Write decisions on indexed versions, and name in the index those that are in force.

    Not in force is one that only carries a head: it supersedes itself.
    """
    connection.execute(decisions.insert(), [as_recorded(row) for row in decision_rows])
    in_force = [row for row in decision_rows if row["supersedes"] != row["decision_id"]]
    if not in_force:
        return
    connection.execute(
        token_index.update()
        .where(
            # Not the columns' own names: SQLAlchemy keeps those for the values that an UPDATE sets.
            token_index.c.workspace == bindparam("of_workspace"),
            token_index.c.name == bindparam("of_name"),
            token_index.c.version == bindparam("of_version"),
        )
        .values(decision_id=bindparam("new_decision_id")),
        [
            {
                "of_workspace": row["workspace"],
                "of_name": row["name"],
                "of_version": row["version"],
                "new_decision_id": row["decision_id"],
            }
            for row in in_force
        ],
    )


def begin_series(
    connection: Connection,
    series_rows: Sequence[Mapping[str, Any]],
    decision_rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write heads of new series with their decisions, and name those in the index."""
    if not series_rows:
        return
    connection.execute(series.insert(), list(series_rows))
    record(connection, decision_rows)
