"""A seal: the hash of a row's content, kept in the row, so that an edit past the servers shows.

It is no signature: who knows how it is made can make it anew. What several rows say together is
checked besides, see ``services/rewards/ledger_verification.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Table

SEAL = "seal"
UNSEALED = {"sealed": False}
"""``info`` of a column that may change while its row stays sealed."""


def seal_of(table: Table, row: Mapping[str, Any] | RowMapping) -> str:
    """SHA-256, in hex, over the table's name and the row's sealed columns.

    Nulls are left out: a column that is added later changes no seal until it is filled.
    """
    content = {
        column.name: row[column.name]
        for column in table.columns
        if column.name != SEAL
        and column.info.get("sealed", True)
        and row.get(column.name) is not None
    }
    # Not RFC 8785 as in the ledger: nobody else reads it, and it takes a tenth of the time.
    text = json.dumps([table.name, content], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its seal, to be written as a whole."""
    return {**row, SEAL: seal_of(table, row)}


def is_sealed(table: Table, row: Mapping[str, Any] | RowMapping) -> bool:
    """Whether a row has the content that it was written with."""
    return bool(row[SEAL] == seal_of(table, row))
