"""Many tokenised versions at once, written by SQL as the registry would have written them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
)
from sqlalchemy import Connection, column, insert, table

from support.registry import SOURCE, TOKEN, token_tags

_INDEX = table(
    "hokusai_token_index",
    *map(
        column,
        (
            "workspace",
            "name",
            "version",
            "token_id",
            "benchmark_metric",
            "benchmark_value",
            "creation_time",
        ),
    ),
)
_BATCH = 1000
START_MS = 1_700_000_000_000


def seed_versions(
    store: Any,
    count: int,
    token_id: str = "IMG-001",
    names: Sequence[str] = ("model",),
    per_millisecond: int = 1,
) -> list[tuple[str, int]]:
    """Register ``count`` versions of a token, in turn under each name; oldest first.

    Args:
        store: The plugin's store.
        count: How many versions.
        token_id: Their token.
        names: Registered models that do not exist yet.
        per_millisecond: How many versions have the same creation time.

    Returns:
        Name and version of each.
    """
    keys = [(names[i % len(names)], i // len(names) + 1) for i in range(count)]
    versions = [
        {
            "name": name,
            "version": version,
            "creation_time": START_MS + i // per_millisecond,
            "last_updated_time": START_MS,
            "source": SOURCE,
            "current_stage": "None",
            "status": "READY",
        }
        for i, (name, version) in enumerate(keys)
    ]
    tags = token_tags(**{TOKEN: token_id})
    tag_rows = [
        {"name": name, "version": version, "key": key, "value": value}
        for name, version in keys
        for key, value in tags.items()
    ]
    index_rows = [
        {
            "workspace": "default",
            "name": row["name"],
            "version": row["version"],
            "token_id": token_id,
            "benchmark_metric": tags["benchmark_metric"],
            "benchmark_value": tags["benchmark_value"],
            "creation_time": row["creation_time"],
        }
        for row in versions
    ]
    with store.engine.begin() as connection:
        _insert(connection, SqlRegisteredModel.__table__, [{"name": name} for name in names])
        _insert(connection, SqlModelVersion.__table__, versions)
        _insert(connection, SqlModelVersionTag.__table__, tag_rows)
        _insert(connection, _INDEX, index_rows)
        # As a database does by itself a while later: until then joins can take minutes.
        analyze = {"mysql": "ANALYZE TABLE", "postgresql": "ANALYZE"}.get(connection.dialect.name)
        if analyze:
            tables = [SqlModelVersion.__tablename__, SqlModelVersionTag.__tablename__, _INDEX.name]
            connection.exec_driver_sql(f"{analyze} {', '.join(tables)}").close()
    return keys


def _insert(connection: Connection, into: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _BATCH):
        connection.execute(insert(into), rows[start : start + _BATCH])
