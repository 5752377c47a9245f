"""Reading whole tables whose rows are sealed, and what the registry's state says of ledgers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, Table, select

from hokusai_mlflow_plugin.db.key_ranges import follows
from hokusai_mlflow_plugin.db.rewards.ledger_rows import LEDGER_MARK
from hokusai_mlflow_plugin.db.schema.tables import ledgers, state

_BATCH_ROWS = 2_000


def read_rows(connection: Connection, table: Table) -> Iterator[RowMapping]:
    """Every row in the order of its key, a statement for each batch: writers go on meanwhile."""
    keys = list(table.primary_key)
    query = select(table).order_by(*keys).limit(_BATCH_ROWS)
    rows = connection.execute(query).mappings().all()
    while rows:
        yield from rows
        after = follows(connection, keys, [rows[-1][key.name] for key in keys])
        rows = connection.execute(query.where(after)).mappings().all()


def missing_ledgers(connection: Connection) -> list[str]:
    """Ids, in hex, of ledgers that were begun and are gone, in order.

    The marks are read first: a ledger that is begun meanwhile has none of these.
    """
    marks = connection.scalars(select(state.c.key).where(state.c.value == LEDGER_MARK)).all()
    return sorted(set(marks) - _ledger_ids(connection))


def unmarked_ledgers(connection: Connection) -> list[str]:
    """Ids, in hex, of ledgers that have no mark, in order.

    The ledgers are read first: one that is begun meanwhile is none of these.
    """
    ids = _ledger_ids(connection)
    return sorted(ids - set(connection.scalars(select(state.c.key))))


def _ledger_ids(connection: Connection) -> set[str]:
    found = set()
    for ledger_id in connection.scalars(select(ledgers.c.ledger_id)):
        try:
            found.add(uuid.UUID(ledger_id).hex)
        except ValueError:  # one that was edited: with its text no mark is found, and it is named
            found.add(ledger_id)
    return found
