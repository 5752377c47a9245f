"""Reading the whole registry in key order, a bounded span at a time, and repairing the index.

Every statement on a large table is a range of a primary key that each supported MLflow has.
Source: design R7 and R13.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
)

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.mlflow_tables import (
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.tables import decisions, policy_findings, token_index
from hokusai_mlflow_plugin.domain.tags import TokenTags

Position = tuple[str, int]
"""Name and version: the place of a version within its workspace."""
IndexRow = Mapping[str, Any]
"""The columns of a row of the token index."""


@dataclass(frozen=True)
class Span:
    """The versions of a workspace after one position, up to and including another."""

    workspace: str
    after: Position | None
    """None: from the first version on."""
    last: Position | None
    """None: to the last version."""


@dataclass(frozen=True)
class Locks:
    """What a transaction has locked of a span: nobody else writes there until it ends."""

    models: frozenset[str]
    orphans: frozenset[Position]
    """Index rows whose model is gone; making it anew would write them."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version as MLflow's tables have it."""

    position: Position
    model: str
    """The registered model's own spelling; on MySQL a version's can differ from it in case."""
    creation_time_ms: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, as far as it tells whether it is still in force."""

    id: str
    creation_time_ms: int
    """That of the version: it tells it from an earlier one of the same name and number."""
    token_id: str
    benchmark_metric: str
    value: str
    supersedes: str | None


def index_row(
    key: VersionId, creation_time_ms: int, tags: TokenTags, decision_id: str | None
) -> IndexRow:
    """The row that the token index has to hold for a tokenised version."""
    return {
        "workspace": key.workspace,
        "name": key.name,
        "version": key.version,
        "token_id": tags.token_id,
        "benchmark_metric": tags.benchmark_metric,
        "benchmark_value": tags.benchmark_value,
        "contributor_address": tags.contributor_address,
        "creation_time": creation_time_ms,
        "decision_id": decision_id,
    }


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
    if with_index and (last := _nth_position(connection, token_index, span, size)):
        span = Span(workspace, after, last)
    return span


def lock(connection: Connection, span: Span) -> Locks:
    """Lock a span against every write that changes ruled tags or index rows.

    The registered models are locked as ``index_writes.lock_model_token`` does: no tag of theirs
    can be written, and no version created, renamed or deleted. A model that is gone cannot be
    locked; its index rows can, and whoever makes the model anew has to write those.
    """
    models = (
        select(registered_models.c.name)
        .where(
            registered_models.c.workspace == span.workspace, *_names(registered_models.c.name, span)
        )
        .order_by(registered_models.c.name)
        .with_for_update()
    )
    orphans = (
        select(token_index.c.name, token_index.c.version)
        .where(
            *_inside(connection, token_index, span),
            ~exists().where(_same_model(registered_models, token_index)),
        )
        .with_for_update()
    )
    return Locks(
        frozenset(connection.scalars(models)),
        frozenset((name, version) for name, version in connection.execute(orphans)),
    )


def read_index(connection: Connection, span: Span) -> Iterator[tuple[IndexRow, str | None]]:
    """Index rows of a span, each with its registered model's name; None where that is gone."""
    rows = connection.execute(
        select(token_index, registered_models.c.name.label("model"))
        .select_from(
            token_index.outerjoin(registered_models, _same_model(registered_models, token_index))
        )
        .where(*_inside(connection, token_index, span))
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
            model_versions.join(registered_models, _same_model(registered_models, model_versions))
        )
        .where(*_inside(connection, model_versions, span), LIVE)
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
    tags = model_version_tags
    rows = connection.execute(
        select(model_versions.c.name, model_versions.c.version, tags.c.key, tags.c.value)
        .select_from(tags.join(model_versions, same_version(tags, model_versions)))
        .where(
            *_inside(connection, tags, span),
            *_inside(connection, model_versions, span),
            tags.c.key.in_(sorted(keys)),
            LIVE,
        )
    ).all()
    found: dict[Position, dict[str, str]] = {}
    for name, version, key, value in rows:
        if key in keys:  # MySQL finds a key in any case
            found.setdefault((name, version), {})[key] = value or ""
    return found


def read_model_tags(
    connection: Connection, span: Span, keys: Collection[str]
) -> Mapping[str, Mapping[str, str]]:
    """Those tags of a span's registered models whose keys are asked for."""
    tags = registered_model_tags
    rows = connection.execute(
        select(registered_models.c.name, tags.c.key, tags.c.value)
        .select_from(tags.join(registered_models, _same_model(tags, registered_models)))
        .where(
            tags.c.workspace == span.workspace,
            tags.c.key.in_(sorted(keys)),
            *_names(tags.c.name, span),
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
            *_inside(connection, policy_findings, span)
        )
    ).all()
    return {(name, version): (creation_time, codes) for name, version, creation_time, codes in rows}


def read_decisions(connection: Connection, span: Span) -> Mapping[Position, Sequence[Decided]]:
    """Every decision on the versions of a span, oldest first."""
    table = decisions.c
    rows = connection.execute(
        select(
            table.name,
            table.version,
            table.decision_id,
            table.creation_time,
            table.token_id,
            table.benchmark_metric,
            table.value,
            table.supersedes,
        )
        .where(*_inside(connection, decisions, span))
        .order_by(table.decided_time)
    ).all()
    found: dict[Position, list[Decided]] = {}
    for name, version, *decided in rows:
        found.setdefault((name, version), []).append(Decided(*decided))
    return found


def replace_rows(
    connection: Connection, removed: Sequence[VersionId], rows: Sequence[IndexRow]
) -> None:
    """Take versions out of the index, then write rows; to be called under :func:`lock`."""
    if removed:
        connection.execute(
            token_index.delete().where(
                token_index.c.workspace == bindparam("of_workspace"),
                token_index.c.name == bindparam("of_name"),
                token_index.c.version == bindparam("of_version"),
            ),
            [
                {"of_workspace": key.workspace, "of_name": key.name, "of_version": key.version}
                for key in removed
            ],
        )
    if rows:
        connection.execute(token_index.insert(), list(rows))


def _nth_position(
    connection: Connection, table: Table, span: Span, n: int, *conditions: ColumnElement[bool]
) -> Position | None:
    row = connection.execute(
        select(table.c.name, table.c.version)
        .where(*_inside(connection, table, span), *conditions)
        .order_by(table.c.name, table.c.version)
        .limit(1)
        .offset(n - 1)
    ).one_or_none()
    return None if row is None else (row.name, row.version)


def _inside(connection: Connection, table: Table, span: Span) -> list[ColumnElement[bool]]:
    """Whether a row's key lies in a span.

    Each database is asked in the way in which it takes an index range from it: rows are compared
    as such where it can do that. Bounds on the name alone besides, by which PostgreSQL's planner
    estimates; SQLite would take those for the range and read a large model over and over.
    """
    conditions = [table.c.workspace == span.workspace]
    dialect = connection.dialect.name
    if dialect != "sqlite":
        conditions += _names(table.c.name, span)
    name, version = table.c.name, table.c.version
    if dialect in ("sqlite", "postgresql"):
        if span.after is not None:
            conditions.append(tuple_(name, version) > tuple_(*span.after))
        if span.last is not None:
            conditions.append(tuple_(name, version) <= tuple_(*span.last))
        return conditions
    if span.after is not None:
        conditions.append(or_(name > span.after[0], version > span.after[1]))
    if span.last is not None:
        conditions.append(or_(name < span.last[0], version <= span.last[1]))
    return conditions


def _names(name: ColumnElement[str], span: Span) -> list[ColumnElement[bool]]:
    conditions = []
    if span.after is not None:
        conditions.append(name >= span.after[0])
    if span.last is not None:
        conditions.append(name <= span.last[0])
    return conditions


def _same_model(one: Table, other: Table) -> ColumnElement[bool]:
    return and_(one.c.workspace == other.c.workspace, one.c.name == other.c.name)
