"""Writes that are sent together do what they do one by one, on each database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError
from support.statements import statements

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites, joined_writes
from hokusai_mlflow_plugin.db.schema.tables import ledgers, state


def ledger(workspace: str, sequence: int) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "ledger_id": workspace,
        "last_sequence": sequence,
        "last_hash": str(sequence),
        "totalled_sequence": 0,
    }


def sequences(connection: Connection) -> dict[str, int]:
    found = connection.execute(select(ledgers.c.workspace, ledgers.c.last_sequence))
    return {row.workspace: row.last_sequence for row in found}


def test_each_kind(store: Any) -> None:
    """A row is inserted, inserted unless it is there, put in place of another, or changed."""
    with store.engine.begin() as connection:
        for name in "abc":
            connection.execute(ledgers.insert(), ledger(name, 1))
    with store.engine.begin() as connection, joined_writes(connection) as writes:
        writes.insert(ledgers, ledger("new", 2))
        writes.insert_if_absent(ledgers, ledger("a", 2))
        writes.insert_if_absent(ledgers, ledger("absent", 2))
        writes.upsert(ledgers, ledger("b", 2))
        writes.upsert(ledgers, ledger("put", 2))
        writes.update(ledgers, {"workspace": "c", "last_sequence": 2})
        writes.update(ledgers, {"workspace": "nobody's", "last_sequence": 2})
    with store.engine.connect() as connection:
        assert sequences(connection) == {
            "a": 1, "b": 2, "c": 2, "new": 2, "absent": 2, "put": 2,
        }  # fmt: skip
        changed = connection.execute(select(ledgers).where(ledgers.c.workspace == "c")).one()
        assert (changed.ledger_id, changed.last_hash) == ("c", "1")


def test_many(store: Any) -> None:
    """However many: each is written once."""
    with store.engine.begin() as connection, joined_writes(connection) as writes:
        for number in range(50):
            writes.insert(ledgers, ledger(f"w{number}", number))
    with store.engine.connect() as connection:
        assert sequences(connection) == {f"w{number}": number for number in range(50)}


def test_round_trips(store: Any) -> None:
    """PostgreSQL takes tables together; the others, as many rows as there are of one kind."""
    with (
        store.engine.begin() as connection,
        statements(store.engine) as sent,
        joined_writes(connection) as writes,
    ):
        for number in range(3):
            writes.upsert(ledgers, ledger(f"w{number}", number))
        writes.insert(state, {"key": "k", "value": "v", "seal": "s"})
    assert len(sent) == (1 if store.engine.dialect.name == "postgresql" else 2)


def test_nothing_before_its_time(store: Any) -> None:
    """Nothing is written before it is sent, nothing twice, and nothing at all without writes."""
    with store.engine.begin() as connection, statements(store.engine) as sent:
        writes = JoinedWrites(connection)
        writes.send()
        writes.insert(state, {"key": "k", "value": "v", "seal": "s"})
        assert sent == []
        writes.send()
        writes.send()
        assert len(sent) == 1


def test_all_or_nothing(store: Any) -> None:
    """A row that is there already fails the whole, as an insert of its own does."""
    with store.engine.begin() as connection:
        connection.execute(ledgers.insert(), ledger("w", 1))
    with pytest.raises(IntegrityError):
        _write_twice(store)
    with store.engine.connect() as connection:
        assert sequences(connection) == {"w": 1}
        assert connection.execute(select(state.c.key).where(state.c.key == "k")).all() == []


def _write_twice(store: Any) -> None:
    with store.engine.begin() as connection, joined_writes(connection) as writes:
        writes.insert(state, {"key": "k", "value": "v", "seal": "s"})
        writes.insert(ledgers, ledger("w", 2))
