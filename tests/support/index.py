"""The truth about the token index, worked out apart from the plugin's own SQL (R7)."""

from __future__ import annotations

from typing import Any

from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelTag,
)
from sqlalchemy import Connection, Table, and_, select, text

from hokusai_mlflow_plugin.domain.tags import Context, token_tags
from support.registry import PROMPT, TOKEN

Key = tuple[str, str, int]

VERSIONS: Table = SqlModelVersion.__table__
VERSION_TAGS: Table = SqlModelVersionTag.__table__
MODEL_TAGS: Table = SqlRegisteredModelTag.__table__


def assert_index_is_truth(store: Any) -> None:
    """The token index holds what the tags of the live versions say, row by row."""
    with store.engine.connect() as connection:
        assert indexed_rows(connection) == expected_rows(connection, store.settings.catalogue)


def indexed_rows(connection: Connection) -> list[tuple[Any, ...]]:
    """The rows of the token index, in the order of their keys."""
    found = connection.execute(
        text(
            "SELECT workspace, name, version, token_id, benchmark_metric, benchmark_value, "
            "contributor_address, creation_time FROM hokusai_token_index"
        )
    )
    return sorted(map(tuple, found))


def indexed_versions(store: Any) -> list[tuple[str, int, str]]:
    """Name, version and token of each row of the token index."""
    with store.engine.connect() as connection:
        return [(row[1], row[2], row[3]) for row in indexed_rows(connection)]


def expected_rows(connection: Connection, catalogue: Any) -> list[tuple[Any, ...]]:
    """The rows that the token index must hold: one for each live version with valid token tags."""
    model_tags = _model_tags(connection)
    rows = []
    for key, (creation_time, tags) in _live_versions(connection).items():
        own = model_tags.get(key, {})
        model_token = None if own.get(PROMPT, "").lower() == "true" else own.get(TOKEN)
        valid = token_tags(tags, Context(model_token, catalogue))
        if valid is not None:
            rows.append(
                (
                    *key,
                    valid.token_id,
                    valid.benchmark_metric,
                    valid.benchmark_value,
                    valid.contributor_address,
                    creation_time,
                )
            )
    return sorted(rows)


def _live_versions(connection: Connection) -> dict[Key, tuple[int, dict[str, str]]]:
    """Creation time and tags of each version that is not deleted, joined by the database."""
    same_version = and_(
        VERSIONS.c.workspace == VERSION_TAGS.c.workspace,
        VERSIONS.c.name == VERSION_TAGS.c.name,
        VERSIONS.c.version == VERSION_TAGS.c.version,
    )
    found = connection.execute(
        select(
            VERSIONS.c.workspace,
            VERSIONS.c.name,
            VERSIONS.c.version,
            VERSIONS.c.creation_time,
            VERSION_TAGS.c.key,
            VERSION_TAGS.c.value,
        )
        .select_from(VERSIONS.outerjoin(VERSION_TAGS, same_version))
        .where(VERSIONS.c.current_stage != "Deleted_Internal")
    )
    versions: dict[Key, tuple[int, dict[str, str]]] = {}
    for workspace, name, version, creation_time, key, value in found:
        _, tags = versions.setdefault((workspace, name, version), (creation_time, {}))
        if key is not None:
            tags[key] = value or ""
    return versions


def _model_tags(connection: Connection) -> dict[Key, dict[str, str]]:
    """The tags of the model of each version."""
    same_model = and_(
        VERSIONS.c.workspace == MODEL_TAGS.c.workspace, VERSIONS.c.name == MODEL_TAGS.c.name
    )
    found = connection.execute(
        select(
            VERSIONS.c.workspace,
            VERSIONS.c.name,
            VERSIONS.c.version,
            MODEL_TAGS.c.key,
            MODEL_TAGS.c.value,
        ).select_from(VERSIONS.join(MODEL_TAGS, same_model))
    )
    tags: dict[Key, dict[str, str]] = {}
    for workspace, name, version, key, value in found:
        tags.setdefault((workspace, name, version), {})[key] = value or ""
    return tags
