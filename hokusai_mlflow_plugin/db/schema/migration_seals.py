"""Sealing rows that were written before their table had seals, or that a migration changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, Table, bindparam, select

from hokusai_mlflow_plugin.db.key_ranges import follows
from hokusai_mlflow_plugin.db.schema.tables import metadata
from hokusai_mlflow_plugin.db.seals import SEAL, seal_of

_BATCH_ROWS = 5_000


def seal_rows(connection: Connection, name: str) -> None:
    """Seal every row of a table as it is, in the columns that it has at this migration.

    A migration that changes sealed columns of what is there calls this at its end.

    Args:
        connection: That of the migration.
        name: The table, whose column ``seal`` is there.
    """
    table = _as_it_is(connection, name)
    keys = list(table.primary_key)
    update = (
        table.update()
        .where(*(key == bindparam(f"of_{key.name}") for key in keys))
        .values({SEAL: bindparam("new_seal")})
    )
    after: tuple[Any, ...] | None = None
    while True:
        query = select(table).order_by(*keys).limit(_BATCH_ROWS)
        if after is not None:
            query = query.where(follows(connection, keys, after))
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        sealed = [
            {f"of_{key.name}": row[key.name] for key in keys} | {"new_seal": seal_of(table, row)}
            for row in rows
        ]
        connection.execute(update, sealed)
        after = tuple(rows[-1][key.name] for key in keys)


def _as_it_is(connection: Connection, name: str) -> Table:
    """The table as the database has it now; which columns stay unsealed is this release's word."""
    table = Table(name, MetaData(), autoload_with=connection)
    for column in table.columns:
        if column.name in metadata.tables[name].columns:
            column.info.update(metadata.tables[name].columns[column.name].info)
    return table
