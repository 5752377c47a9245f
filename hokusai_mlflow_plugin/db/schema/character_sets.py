"""The character sets of our columns on MySQL and MariaDB.

A column without one of its own takes the database's default, which may have become one that lacks
the letters of a model's name. Names and workspaces are as in MLflow's tables, for joins on them;
everything else is utf8mb4. Texts hold more than the 64 KiB of ``TEXT``: a valid tag can be longer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from hokusai_mlflow_plugin.db.schema.tables import PREFIX

_AS_IN_MLFLOW = {"workspace": "workspace", "name": "name", "decided_name": "name"}
"""Columns of ours, and those of MLflow's ``model_versions`` that they are compared with."""
_COLUMNS = text(
    "SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, "
    "collation_name FROM information_schema.columns WHERE table_schema = DATABASE() "
    "AND character_set_name IS NOT NULL "
    "AND (table_name LIKE 'hokusai!_%' ESCAPE '!' OR table_name = 'model_versions') "
    "ORDER BY table_name, ordinal_position"
)


class _Found(NamedTuple):
    table: str
    column: str
    data_type: str
    column_type: str
    is_nullable: str
    charset: str
    collation: str


class WrongColumn(NamedTuple):
    """A column whose character set, collation or size is not as it has to be."""

    table: str
    column: str
    found: str
    definition: str
    """What it has to be, in SQL."""


def wrong_columns(connection: Connection) -> list[WrongColumn]:
    """Each such column of our tables; none on other databases."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return []
    columns = [_Found(*map(_plain, row)) for row in connection.execute(_COLUMNS)]
    in_mlflow = {
        each.column: (each.charset, each.collation)
        for each in columns
        if each.table == "model_versions" and each.column in _AS_IN_MLFLOW.values()
    }
    ours = (each for each in columns if each.table.startswith(PREFIX))
    return [wrong for each in ours if (wrong := _check(each, in_mlflow)) is not None]


def _check(found: _Found, in_mlflow: dict[str, tuple[str, str]]) -> WrongColumn | None:
    in_joins = in_mlflow.get(_AS_IN_MLFLOW.get(found.column, ""))
    charset, collation = in_joins or ("utf8mb4", "utf8mb4_bin")
    is_short = found.data_type == "text"
    # A collation matters in joins alone: MySQL uses no index across two.
    is_same = found.charset == charset and (found.collation == collation or in_joins is None)
    if is_same and not is_short:
        return None
    kind = "mediumtext" if is_short else found.column_type
    null = "NULL" if found.is_nullable == "YES" else "NOT NULL"
    return WrongColumn(
        found.table,
        found.column,
        f"{found.column_type} {found.charset} {found.collation}",
        f"{kind} CHARACTER SET {charset} COLLATE {collation} {null}",
    )


def _plain(value: Any) -> str:
    """MySQL 8 gives some of these as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
