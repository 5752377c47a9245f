"""Comparing the token index with the tags that it is derived from, and repairing it.

One scan in key order serves all: ``verify`` names each difference, ``rebuild`` repairs it, and on
a database that the plugin is new to that is the backfill. Source: design R7 and R13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db import index_scan
from hokusai_mlflow_plugin.db.index_scan import IndexRow, LiveVersion, Locks, Position, Span
from hokusai_mlflow_plugin.db.index_writes import VersionId
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tags import (
    PROMPT_TAG,
    RULED_TAGS,
    TokenTags,
    Write,
    check_write,
    is_prompt,
    is_ruled,
    token_tags,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

BATCH_SIZE = 10_000


class Kind(str, Enum):
    """How the index can differ from the tags."""

    MISSING_ROW = "missing row"
    STALE_ROW = "stale row"
    DIFFERING_COLUMN = "differing column"


@dataclass(frozen=True)
class ColumnDifference:
    """A column of an index row that is not what the tags say."""

    column: str
    found: Any
    expected: Any


@dataclass(frozen=True)
class Difference:
    """A version for which the index is not what the tags say."""

    id: VersionId
    kind: Kind
    columns: tuple[ColumnDifference, ...] = ()
    """Those that differ, where a row differs; none otherwise."""
    expected: IndexRow | None = None
    """The row that has to be there; None where none has."""


@dataclass(frozen=True)
class NonConforming:
    """A version that carries a token but is not tokenised, and why."""

    id: VersionId
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class ScannedVersion:
    """A live version with all that the rules and the index know of it."""

    id: VersionId
    creation_time_ms: int
    tags: Mapping[str, str]
    """Those that the rules look at."""
    model_token: str | None
    """``hokusai_token_id`` of the registered model, where it carries one."""
    token_tags: TokenTags | None
    """None where it is not tokenised."""
    row: IndexRow | None
    """Its row in the index as found."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Why a version that carries a token is not tokenised; empty for any other."""
        if self.token_tags or not is_ruled(self.tags):
            return ()
        write = Write(self.tags, created=True, model_token=self.model_token)
        return tuple(check_write(write))


@dataclass(frozen=True)
class Batch:
    """Consecutive versions of one workspace, in one state of the database."""

    versions: Sequence[ScannedVersion]
    strays: Sequence[VersionId]
    """Index rows for which there is no live version."""


@dataclass(frozen=True)
class Report:
    """What was found, and by :func:`rebuild` repaired, in one batch."""

    version_count: int
    differences: Sequence[Difference]
    nonconforming: Sequence[NonConforming]


def verify(
    engine: Engine, batch_size: int = BATCH_SIZE, *, with_index: bool = True
) -> Iterator[Report]:
    """Name each difference between the tags and the index, batch by batch; writes nothing.

    Each batch is read in one state of the database: a write that commits meanwhile is either
    seen whole or not at all.

    Args:
        engine: The registry's database.
        batch_size: How many versions to read at a time.
        with_index: False for a database that has no index yet.
    """
    with _connect(engine, "REPEATABLE READ") as connection:
        for batch in scan(connection, batch_size, with_index=with_index):
            connection.rollback()
            yield _report(batch)


def rebuild(engine: Engine, batch_size: int = BATCH_SIZE) -> Iterator[Report]:
    """Repair each difference between the tags and the index, batch by batch.

    Each batch is a transaction of its own: interrupted and run again, it goes on to repair only
    what differs. Running servers wait for a batch at most, see ``index_scan.lock``.
    """
    with _connect(engine, "READ COMMITTED") as connection:
        for batch in scan(connection, batch_size, locking=True):
            report = _report(batch)
            index_scan.replace_rows(
                connection,
                [d.id for d in report.differences if d.kind is not Kind.MISSING_ROW],
                [d.expected for d in report.differences if d.expected is not None],
            )
            connection.commit()
            yield report


def scan(
    connection: Connection,
    batch_size: int = BATCH_SIZE,
    *,
    with_index: bool = True,
    locking: bool = False,
) -> Iterator[Batch]:
    """Read every live version with its ruled tags and its index row, in key order.

    A batch is read in the transaction that the caller ends (before asking for the next), at
    isolation level REPEATABLE READ, or READ COMMITTED where ``locking``. In memory there is never
    more than one batch.

    Args:
        connection: A connection without a transaction.
        batch_size: How many versions, or index rows, a batch has at most.
        with_index: False for a database that has no index yet.
        locking: Lock what is read against every other writer, for a repair in this transaction.
    """
    workspaces = index_scan.workspaces(connection, with_index=with_index)
    connection.rollback()
    for workspace in workspaces:
        span = Span(workspace, after=None, last=None)
        while True:
            index_scan.begin(connection, locking=locking)
            span = index_scan.next_span(
                connection, workspace, span.last, batch_size, with_index=with_index
            )
            locks = index_scan.lock(connection, span) if locking else None
            yield _read(connection, span, locks, with_index=with_index)
            if span.last is None:
                break


def _read(
    connection: Connection, span: Span, locks: Locks | None, *, with_index: bool
) -> Batch:
    """One batch; of a locked span only what the locks cover.

    A model that was made or renamed after the locks were taken is left out: a server that
    enforces the rules has just indexed it, and could be writing to it. The index is read before
    the versions, so that a row is never taken for stale because its version came later.
    """
    rows: dict[Position, IndexRow] = {}
    for row, model in index_scan.read_index(connection, span) if with_index else ():
        position = row["name"], row["version"]
        if locks is None or model in locks.models or position in locks.orphans:
            rows[position] = row
    live = list(index_scan.read_versions(connection, span))
    tags = index_scan.read_tags(connection, span, RULED_TAGS)
    model_tags = index_scan.read_model_tags(connection, span, {TOKEN_ID_TAG, PROMPT_TAG})
    model_tokens = {
        name: own[TOKEN_ID_TAG]
        for name, own in model_tags.items()
        if TOKEN_ID_TAG in own and not is_prompt(own)
    }
    versions = [
        _scanned(
            span.workspace,
            version,
            tags.get(version.position, {}),
            model_tokens.get(version.model),
            rows.pop(version.position, None),
        )
        for version in live
        if locks is None or version.model in locks.models
    ]
    return Batch(versions, [VersionId(span.workspace, *position) for position in rows])


def _scanned(
    workspace: str,
    version: LiveVersion,
    tags: Mapping[str, str],
    model_token: str | None,
    row: IndexRow | None,
) -> ScannedVersion:
    return ScannedVersion(
        VersionId(workspace, *version.position),
        version.creation_time_ms,
        tags,
        model_token,
        token_tags(tags, model_token),
        row,
    )


def _report(batch: Batch) -> Report:
    found = [_difference(version) for version in batch.versions]
    return Report(
        len(batch.versions),
        [Difference(key, Kind.STALE_ROW) for key in batch.strays]
        + [difference for difference in found if difference is not None],
        [
            NonConforming(version.id, violations)
            for version in batch.versions
            if (violations := version.violations)
        ],
    )


def _difference(version: ScannedVersion) -> Difference | None:
    if version.token_tags is None:
        return Difference(version.id, Kind.STALE_ROW) if version.row else None
    expected = index_scan.index_row(version.id, version.creation_time_ms, version.token_tags)
    if version.row is None:
        return Difference(version.id, Kind.MISSING_ROW, expected=expected)
    if version.row == expected:
        return None
    columns = tuple(
        ColumnDifference(column, version.row[column], value)
        for column, value in expected.items()
        if version.row[column] != value
    )
    return Difference(version.id, Kind.DIFFERING_COLUMN, columns, expected)


def _connect(engine: Engine, isolation_level: str) -> Connection:
    if engine.dialect.name == "sqlite":
        return engine.connect()  # see index_scan.begin
    return engine.connect().execution_options(isolation_level=isolation_level)
