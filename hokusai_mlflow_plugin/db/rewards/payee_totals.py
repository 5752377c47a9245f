"""The SQL of what payees earned in all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, select

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.schema.tables import ledgers, payee_totals
from hokusai_mlflow_plugin.db.seals import sealed

_COLUMNS = payee_totals.c
# Built once: building it takes longer than its answer.
_TOTALS_OF = select(payee_totals).where(
    _COLUMNS.workspace == bindparam("workspace"),
    _COLUMNS.token_id.in_(bindparam("token_ids", expanding=True)),
    _COLUMNS.address.in_(bindparam("addresses", expanding=True)),
)


def read_rows(
    connection: Connection, workspace: str, token_ids: Collection[str], addresses: Collection[str]
) -> Iterable[RowMapping]:
    """The totals of some addresses under some tokens."""
    given = {
        "workspace": workspace,
        "token_ids": sorted(token_ids),
        "addresses": sorted(addresses),
    }
    return connection.execute(_TOTALS_OF, given).mappings().all()


def put(writes: JoinedWrites, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write totals in place of those that were."""
    for row in rows:
        writes.upsert(payee_totals, sealed(payee_totals, row))


def read_totals(
    connection: Connection, workspace: str, token_id: str | None = None
) -> tuple[int, int, list[RowMapping]]:
    """The totals of one token or of all, in no order, and how far they and the ledger go.

    Returns:
        The sequence number of the last event that they hold, that of the last event, the totals.
    """
    # One statement: between two the ledger could go on, and an event would count twice or never.
    asked = _COLUMNS.workspace == ledgers.c.workspace
    if token_id is not None:
        asked = and_(asked, _COLUMNS.token_id == token_id)
    query = (
        select(ledgers.c.totalled_sequence, ledgers.c.last_sequence, payee_totals)
        .select_from(ledgers.outerjoin(payee_totals, asked))
        .where(ledgers.c.workspace == workspace)
    )
    rows = connection.execute(query).mappings().all()
    if not rows:
        return 0, 0, []
    totalled, last = rows[0]["totalled_sequence"] or 0, rows[0]["last_sequence"]
    return totalled, last, [row for row in rows if row["address"] is not None]
