"""The SQL with which the token index is repaired while servers write to the registry.

Source: R7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import ARRAY, Connection, bindparam, column, exists, func, select

from hokusai_mlflow_plugin.db.index.registry_scan import IndexRow
from hokusai_mlflow_plugin.db.key_ranges import Position, Span, inside, names, same_model
from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.schema.mlflow_tables import registered_models
from hokusai_mlflow_plugin.db.schema.tables import decisions, token_index

_FETCH = 1_000
_COLUMNS = [each.name for each in token_index.columns]
_ARRAYS = (
    func.unnest(*(bindparam(each.name, type_=ARRAY(each.type)) for each in token_index.columns))
    .table_valued(*(column(each.name, each.type) for each in token_index.columns), name="arrays")
    .render_derived()
)
_INSERT_ARRAYS = token_index.insert().from_select(_COLUMNS, select(_ARRAYS))


@dataclass(frozen=True)
class Locks:
    """What a transaction has locked of a span: nobody else writes there until it ends."""

    models: frozenset[str]
    orphans: frozenset[Position]
    """Index rows whose model is gone; making it anew would write them."""


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


def lock(connection: Connection, span: Span) -> Locks:
    """Lock a span against every write that changes ruled tags or index rows.

    The registered models are locked as ``live_versions.lock_models`` does ``against_creation``: no
    tag of theirs can be written, and no version created, renamed or deleted. A model that is gone
    cannot be locked; its index rows can, and whoever makes the model anew has to write those.
    """
    models = (
        select(registered_models.c.name)
        .where(
            registered_models.c.workspace == span.workspace, *names(registered_models.c.name, span)
        )
        # In the order in which writers lock models, or a rebuild and a write of two models
        # deadlock.
        .order_by(registered_models.c.name)
        .with_for_update()
    )
    orphans = (
        select(token_index.c.name, token_index.c.version)
        .where(
            *inside(connection, token_index, span),
            ~exists().where(same_model(registered_models, token_index)),
        )
        .with_for_update()
    )
    return Locks(
        frozenset(connection.scalars(models)),
        frozenset((name, version) for name, version in connection.execute(orphans)),
    )


def read_last_decisions(connection: Connection, span: Span) -> Mapping[Position, Sequence[Decided]]:
    """The decisions on the versions of a span that no other supersedes, oldest first.

    There can be several: an index row that was lost leaves the next decision without a predecessor.
    """
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
        .where(*inside(connection, decisions, span))
        .order_by(table.name, table.version, table.decided_time)
        .execution_options(yield_per=_FETCH)
    )
    found: dict[Position, list[Decided]] = {}
    # MySQL puts names together that differ in case, and their rows may alternate. One version's
    # history at a time: there is never more than one in memory.
    for position, history in groupby(rows, lambda row: (row.name, row.version)):
        taken = [Decided(*row[2:]) for row in history]
        superseded = {each.supersedes for each in taken}
        last = [each for each in taken if each.id not in superseded]
        found.setdefault(position, []).extend(last)
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
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        # Its driver would send row by row, which takes four times as long.
        arrays = {name: [row[name] for row in rows] for name in _COLUMNS}
        connection.execute(_INSERT_ARRAYS, arrays)
    else:
        connection.execute(token_index.insert(), list(rows))
