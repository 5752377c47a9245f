"""What other programs do to a registry's database behind its back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text


def run_sql(store: Any, statement: str, **parameters: Any) -> None:
    """Run a statement on a store's database, without its sessions."""
    with store.engine.begin() as connection:
        connection.execute(text(statement), parameters)


def damage_version(store: Any, statement: str, name: str, version: int, **more: Any) -> None:
    """Run a statement on the rows of one version."""
    where = "WHERE workspace = 'default' AND name = :name AND version = :version"
    run_sql(store, f"{statement} {where}", name=name, version=version, **more)


def change_tag(store: Any, name: str, version: int, key: str, value: str) -> None:
    """Give a tag another value."""
    statement = f"UPDATE model_version_tags SET value = :value {_of_tag(store)}"
    run_sql(store, statement, name=name, version=version, key=key, value=value)


def delete_tag(store: Any, name: str, version: int, key: str) -> None:
    """Delete a tag."""
    statement = f"DELETE FROM model_version_tags {_of_tag(store)}"
    run_sql(store, statement, name=name, version=version, key=key)


def decisions_in_force(connection: Connection) -> dict[tuple[str, int], str | None]:
    """The decision that each index row names, by model and version."""
    rows = connection.execute(text("SELECT name, version, decision_id FROM hokusai_token_index"))
    return {(name, version): decision for name, version, decision in rows}


def _of_tag(store: Any) -> str:
    key = store.engine.dialect.identifier_preparer.quote("key")  # a word of MySQL's language
    return f"WHERE name = :name AND version = :version AND {key} = :key"
