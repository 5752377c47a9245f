"""Comparing the token index with the tags that it is derived from, and repairing it.

On a database that the plugin is new to, repairing it is the backfill. Source: R7 and R13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Engine

from hokusai_mlflow_plugin.db.index import index_repair, index_rows
from hokusai_mlflow_plugin.db.index.index_repair import Decided
from hokusai_mlflow_plugin.db.index.registry_scan import IndexRow
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.db.schema import binary_log
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.values import parse_benchmark_value
from hokusai_mlflow_plugin.services.index.scanning import (
    BATCH_SIZE,
    Batch,
    ScannedVersion,
    scan,
    scan_model,
)


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
    """Those that differ, where a row differs."""


@dataclass(frozen=True)
class NonConforming:
    """A version that carries a token and breaks a rule; most of them are not tokenised."""

    id: VersionId
    violations: Sequence[Violation]


@dataclass(frozen=True)
class Report:
    """What was found, and by :func:`rebuild` repaired, in one batch."""

    version_count: int
    differences: Sequence[Difference]
    nonconforming: Sequence[NonConforming]


def verify(
    engine: Engine,
    catalogue: Catalogue,
    batch_size: int = BATCH_SIZE,
    *,
    with_index: bool = True,
) -> Iterator[Report]:
    """Name each difference between the tags and the index, batch by batch; writes nothing.

    Each batch is read in one state of the database: a write that commits meanwhile is either seen
    whole or not at all.

    Args:
        engine: The registry's database.
        catalogue: The metrics that the servers know.
        batch_size: How many versions to read at a time.
        with_index: False for a database that has no index yet.
    """
    with _connect(engine, "REPEATABLE READ") as connection:
        for batch in scan(connection, catalogue, batch_size, with_index=with_index):
            # Whoever gets the report may take long over it, and an open snapshot holds up
            # PostgreSQL's vacuum.
            connection.rollback()
            yield _report(batch, _differences(batch))


def rebuild(engine: Engine, catalogue: Catalogue, batch_size: int = BATCH_SIZE) -> Iterator[Report]:
    """Repair each difference between the tags and the index, batch by batch.

    Each batch is a transaction: interrupted and run again, it goes on to repair what still
    differs. Running servers wait for one batch at most (``index_repair.lock``).

    Raises:
        StatementLog: The database takes no writes at READ COMMITTED.
    """
    # Under its locks each statement must see what was committed before they were granted: a
    # snapshot from before would put the index back to it.
    with _connect(engine, "READ COMMITTED") as connection:
        binary_log.require_row_log(connection)
        connection.rollback()
        for batch in scan(connection, catalogue, batch_size, locking=True):
            differences = _differences(batch)
            if differences:
                differing = {difference.id for difference in differences}
                _repair(connection, batch, differing)
            connection.commit()
            yield _report(batch, differences)


def follow_model(
    connection: Connection, catalogue: Catalogue, model: ModelId
) -> Iterator[Sequence[IndexRow]]:
    """Bring the index rows of a model's versions in line with a token that the model was given.

    To be called in the transaction of that write, which has locked the model: by batches of
    statements, not by versions.

    Yields:
        Rows that were written, batch by batch.
    """
    for batch in scan_model(connection, catalogue, model):
        differing = {difference.id for difference in _differences(batch)}
        yield _repair(connection, batch, differing) if differing else []


def _report(batch: Batch, differences: Sequence[Difference]) -> Report:
    nonconforming = [
        NonConforming(version.id, violations)
        for version in batch.versions
        if (violations := version.violations)
    ]
    return Report(len(batch.versions), differences, nonconforming)


def _differences(batch: Batch) -> list[Difference]:
    strays = [Difference(key, Kind.STALE_ROW) for key in batch.strays]
    found = (_difference(version) for version in batch.versions)
    return strays + [difference for difference in found if difference is not None]


def _difference(version: ScannedVersion) -> Difference | None:
    if version.token_tags is None:
        return None if version.row is None else Difference(version.id, Kind.STALE_ROW)
    if version.row is None:
        return None if version.withheld else Difference(version.id, Kind.MISSING_ROW)
    expected = _expected(version)
    if version.row == expected:
        return None
    columns = tuple(
        ColumnDifference(column, version.row[column], value)
        for column, value in expected.items()
        if version.row[column] != value
    )
    # That other tags have another decision in force goes without saying.
    of_tags = tuple(each for each in columns if each.column != "decision_id")
    return Difference(version.id, Kind.DIFFERING_COLUMN, of_tags or columns)


def _expected(version: ScannedVersion) -> IndexRow:
    """The row that the index has to hold for a tokenised version.

    Where the row says what the tags say, its decision stays unless the version's last one is known
    to be another: of a decision that is gone nothing else is left, and ``rewards verify`` names it.
    """
    assert version.token_tags is not None  # noqa: S101  # the callers ask for tokenised versions
    canonical = version.context.catalogue.canonical
    agreeing = [each for each in version.decided if _agrees(each, version.token_tags, canonical)]
    last = agreeing[-1].id if agreeing and agreeing[-1] is version.decided[-1] else None
    found = version.row["decision_id"] if version.row is not None else None
    expected = index_rows.index_row(version.id, version.creation_time_ms, version.token_tags, found)
    is_known = last is None or any(each.id == found for each in agreeing)
    if version.row == expected and is_known:
        return expected
    return {**expected, "decision_id": last}


def _agrees(decision: Decided, tags: TokenTags, canonical: Callable[[str], str]) -> bool:
    """Whether a decision is on what the tags say now."""
    return (
        decision.token_id == tags.token_id
        and canonical(decision.benchmark_metric) == tags.benchmark_metric
        and parse_benchmark_value(decision.value) == parse_benchmark_value(tags.benchmark_value)
    )


def _repair(connection: Connection, batch: Batch, differing: set[VersionId]) -> Sequence[IndexRow]:
    rebuilt = [v for v in batch.versions if v.token_tags is not None and v.id in differing]
    found = [v.id for v in batch.versions if v.row is not None and v.id in differing]
    rows = [_expected(version) for version in rebuilt]
    index_repair.replace_rows(connection, [*batch.strays, *found], rows)
    return rows


def _connect(engine: Engine, isolation_level: str) -> Connection:
    if engine.dialect.name == "sqlite":
        return engine.connect()  # see registry_scan.begin
    return engine.connect().execution_options(isolation_level=isolation_level)
