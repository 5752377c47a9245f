"""Reading the whole registry in key order, a bounded span at a time.

Every statement on a large table is a range of a primary key that each supported MLflow has.
Source: R7 and R13.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select, true, union

from hokusai_mlflow_plugin.db.key_ranges import Position, Span, inside, names, same_model
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import policy_findings, token_index

IndexRow = Mapping[str, Any]
"""The columns of a row of the token index."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version as MLflow's tables have it."""

    position: Position
    model: str
    """The registered model's own spelling; on MySQL a version's can differ from it in case."""
    creation_time_ms: int


def begin(connection: Connection, *, locking: bool) -> None:
    """Begin a transaction where the connection's isolation level does not do all of it.

    SQLite's driver begins only before a write: until then every statement would read another
    state, and two writers could not wait for each other.
    """
    if connection.dialect.name == "sqlite" and not connection.in_transaction():
        connection.exec_driver_sql("BEGIN IMMEDIATE" if locking else "BEGIN")


def workspaces(connection: Connection, *, with_index: bool) -> Sequence[str]:
    """Every workspace that has models or index rows, in order."""
    found = select(registered_models.c.workspace)
    if with_index:
        # Index rows that are left of a workspace without models have to be found, too.
        found = select(union(found, select(token_index.c.workspace)).subquery().c.workspace)
    return sorted(connection.scalars(found.distinct()))


def count_versions(connection: Connection) -> int:
    """How many live versions there are."""
    return connection.scalar(select(func.count()).select_from(model_versions).where(LIVE)) or 0


def next_span(
    connection: Connection, workspace: str, after: Position | None, size: int, *, with_index: bool
) -> Span:
    """The span after a position that has at most ``size`` versions, and as many index rows."""
    span = Span(workspace, after, None)
    span = Span(workspace, after, _nth_position(connection, model_versions, span, size, LIVE))
    # Orphaned rows can be many where versions are few: a span ends where either fills it.
    if with_index and (last := _nth_position(connection, token_index, span, size)):
        span = Span(workspace, after, last)
    return span


def position_at(connection: Connection, span: Span, size: int) -> Position | None:
    """The position of the last of a span's first ``size`` versions; None where it has fewer."""
    return _nth_position(connection, model_versions, span, size, LIVE)


def read_index(connection: Connection, span: Span) -> Iterator[tuple[IndexRow, str | None]]:
    """Index rows of a span, each with its registered model's name; None where that is gone."""
    rows = connection.execute(
        select(token_index, registered_models.c.name.label("model"))
        .select_from(
            token_index.outerjoin(registered_models, same_model(registered_models, token_index))
        )
        .where(*inside(connection, token_index, span))
    ).all()
    names = [column.name for column in token_index.columns]
    for row in rows:
        yield dict(zip(names, row, strict=False)), row.model


def read_versions(connection: Connection, span: Span) -> Iterator[LiveVersion]:
    """Live versions of a span, in the order of their keys."""
    table = model_versions.c
    rows = connection.execute(
        select(table.name, table.version, registered_models.c.name, table.creation_time)
        .select_from(
            model_versions.join(registered_models, same_model(registered_models, model_versions))
        )
        .where(*inside(connection, model_versions, span), LIVE)
        .order_by(table.name, table.version)
    ).all()
    for name, version, model, creation_time in rows:
        yield LiveVersion((name, version), model, creation_time or 0)


def read_tags(
    connection: Connection, span: Span, keys: Collection[str]
) -> Mapping[Position, Mapping[str, str]]:
    """Those tags of a span's live versions whose keys are asked for.

    A tag's name can differ in case from its version's on MySQL, so the version's own is taken.
    """
    query = _tags_by_version if connection.dialect.name == "postgresql" else _tags_of_span
    rows = connection.execute(query(connection, span, sorted(keys))).all()
    found: dict[Position, dict[str, str]] = {}
    for name, version, key, value in rows:
        if key in keys:  # MySQL finds a key in any case
            found.setdefault((name, version), {})[key] = value or ""
    return found


def _tags_by_version(connection: Connection, span: Span, keys: Sequence[str]) -> Select[Any]:
    """PostgreSQL looks each version's tags up by key, whatever it thinks of the span's size.

    Left to choose (a join, which an OFFSET in the subquery is none of) it reads all tags of the
    registry for each batch of a large model, or, where it expects one row on either side, compares
    each tag of the batch with each version.
    """
    tags = model_version_tags
    own = (
        select(tags.c.key, tags.c.value)
        .where(same_version(tags, model_versions), tags.c.key.in_(keys))
        .offset(0)
        .lateral("own")
    )
    return (
        select(model_versions.c.name, model_versions.c.version, own.c.key, own.c.value)
        .select_from(model_versions.join(own, true()))
        .where(*inside(connection, model_versions, span), LIVE)
    )


def _tags_of_span(connection: Connection, span: Span, keys: Sequence[str]) -> Select[Any]:
    tags = model_version_tags
    return (
        select(model_versions.c.name, model_versions.c.version, tags.c.key, tags.c.value)
        .select_from(tags.join(model_versions, same_version(tags, model_versions)))
        .where(
            # The span twice: planners carry an equality over a join, but no range, and would read
            # every tag of the workspace for each batch.
            *inside(connection, tags, span),
            *inside(connection, model_versions, span),
            tags.c.key.in_(keys),
            LIVE,
        )
    )


def read_model_tags(
    connection: Connection, span: Span, keys: Collection[str]
) -> Mapping[str, Mapping[str, str]]:
    """Those tags of a span's registered models whose keys are asked for."""
    tags = registered_model_tags
    rows = connection.execute(
        select(registered_models.c.name, tags.c.key, tags.c.value)
        .select_from(tags.join(registered_models, same_model(tags, registered_models)))
        .where(
            tags.c.workspace == span.workspace,
            tags.c.key.in_(sorted(keys)),
            *names(tags.c.name, span),
        )
    ).all()
    found: dict[str, dict[str, str]] = {}
    for name, key, value in rows:
        if key in keys:
            found.setdefault(name, {})[key] = value or ""
    return found


def read_findings(connection: Connection, span: Span) -> Mapping[Position, tuple[int, str]]:
    """What the audit policy has on record of a span: the version's creation time, and the codes."""
    table = policy_findings.c
    rows = connection.execute(
        select(table.name, table.version, table.creation_time, table.codes).where(
            *inside(connection, policy_findings, span)
        )
    ).all()
    return {(name, version): (creation_time, codes) for name, version, creation_time, codes in rows}


def _nth_position(
    connection: Connection, table: Table, span: Span, n: int, *conditions: ColumnElement[bool]
) -> Position | None:
    row = connection.execute(
        select(table.c.name, table.c.version)
        .where(*inside(connection, table, span), *conditions)
        .order_by(table.c.name, table.c.version)
        .limit(1)
        .offset(n - 1)
    ).one_or_none()
    return None if row is None else (row.name, row.version)
