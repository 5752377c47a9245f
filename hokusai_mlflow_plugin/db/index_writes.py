"""The SQL with which one registry write is checked and indexed.

Everything here runs on the connection of the transaction that MLflow opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, select

from hokusai_mlflow_plugin.db.mlflow_tables import (
    DELETED_STAGE,
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.tables import token_index
from hokusai_mlflow_plugin.db.upsert import upsert
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG


@dataclass(frozen=True, order=True)
class ModelId:
    """A registered model."""

    workspace: str
    name: str


@dataclass(frozen=True, order=True)
class VersionId:
    """A model version."""

    workspace: str
    name: str
    version: int

    @property
    def model(self) -> ModelId:
        return ModelId(self.workspace, self.name)


@dataclass(frozen=True)
class StoredVersion:
    """A live version as the database has it."""

    id: VersionId
    creation_time_ms: int
    indexed: bool
    """Whether the token index has a row for it: it is tokenised."""


def lock_models(connection: Connection, models: Iterable[ModelId]) -> None:
    """Lock registered models against every other write that tag rules depend on.

    One lock for all such writes to a model, taken before the first change of the flush and in one
    order, so that two writers wait for each other instead of deadlocking. ``FOR NO KEY UPDATE``
    lets other transactions check their foreign keys meanwhile.
    """
    for model in sorted(models):
        connection.execute(
            select(registered_models.c.name)
            .where(*_of_model(registered_models, model))
            .with_for_update(key_share=True)
        )


def lock_model_token(connection: Connection, models: Iterable[ModelId]) -> None:
    """Lock registered models also against versions being created.

    Creating a version takes a shared lock on its model for the foreign key. This one excludes it,
    so a token given to the model and one given to a new version cannot miss each other.
    """
    for model in sorted(models):
        connection.execute(
            select(registered_models.c.name)
            .where(*_of_model(registered_models, model))
            .with_for_update()
        )


def read_version(connection: Connection, key: VersionId) -> StoredVersion | None:
    """The live version with this key, or None."""
    row = connection.execute(
        select(model_versions.c.name, model_versions.c.creation_time, token_index.c.token_id)
        .select_from(
            model_versions.outerjoin(token_index, same_version(token_index, model_versions))
        )
        .where(*_of_version(model_versions, key), LIVE)
    ).one_or_none()
    if row is None:
        return None
    exact = VersionId(key.workspace, row.name, key.version)
    return StoredVersion(exact, row.creation_time or 0, row.token_id is not None)


def read_tags(connection: Connection, key: VersionId, keys: Collection[str]) -> dict[str, str]:
    """Those tags of a version whose keys are asked for."""
    rows = connection.execute(
        select(model_version_tags.c.key, model_version_tags.c.value).where(
            *_of_version(model_version_tags, key), model_version_tags.c.key.in_(sorted(keys))
        )
    )
    return {key: value or "" for key, value in rows if key in keys}


def read_model_tags(
    connection: Connection, model: ModelId, keys: Collection[str]
) -> dict[str, str]:
    """Those tags of a registered model whose keys are asked for."""
    rows = connection.execute(
        select(registered_model_tags.c.key, registered_model_tags.c.value).where(
            *_of_model(registered_model_tags, model),
            registered_model_tags.c.key.in_(sorted(keys)),
        )
    )
    return {key: value or "" for key, value in rows if key in keys}


def versions_of_other_tokens(
    connection: Connection, model: ModelId, token_id: str, limit: int
) -> list[tuple[int, str]]:
    """Live versions of a model with a token tag other than this, oldest first, and their tokens."""
    tags = model_version_tags
    rows = connection.execute(
        select(tags.c.version, tags.c.value)
        .select_from(tags.join(model_versions, same_version(tags, model_versions)))
        .where(*_of_model(tags, model), tags.c.key == TOKEN_ID_TAG, tags.c.value != token_id, LIVE)
        .order_by(tags.c.version)
        .limit(limit)
    )
    return [(row.version, row.value) for row in rows]


def put(connection: Connection, key: VersionId, creation_time_ms: int, tags: TokenTags) -> None:
    """Write the index row of a tokenised version."""
    upsert(
        connection,
        token_index,
        {
            "workspace": key.workspace,
            "name": key.name,
            "version": key.version,
            "token_id": tags.token_id,
            "benchmark_metric": tags.benchmark_metric,
            "benchmark_value": tags.benchmark_value,
            "contributor_address": tags.contributor_address,
            "creation_time": creation_time_ms,
        },
    )


def remove(connection: Connection, key: VersionId) -> None:
    """Take a version out of the index."""
    connection.execute(token_index.delete().where(*_of_version(token_index, key)))


def remove_model(connection: Connection, model: ModelId) -> None:
    """Take every version of a model out of the index."""
    connection.execute(token_index.delete().where(*_of_model(token_index, model)))


def rename_model(connection: Connection, model: ModelId, new_name: str) -> None:
    """Move the index rows of a model to its new name.

    Rows that another program orphaned under the new name give way.
    """
    connection.execute(
        token_index.delete().where(
            *_of_model(token_index, ModelId(model.workspace, new_name)),
            # MySQL finds a name in any case: a rename that changes only case keeps its rows.
            token_index.c.name != model.name,
        )
    )
    connection.execute(
        token_index.update().where(*_of_model(token_index, model)).values(name=new_name)
    )


def is_deleted_stage(stage: str | None) -> bool:
    """Whether MLflow's stage marks a version as deleted."""
    return stage == DELETED_STAGE


def _of_model(table: Table, model: ModelId | VersionId) -> tuple[ColumnElement[bool], ...]:
    return table.c.workspace == model.workspace, table.c.name == model.name


def _of_version(table: Table, key: VersionId) -> tuple[ColumnElement[bool], ...]:
    return (*_of_model(table, key), table.c.version == key.version)
