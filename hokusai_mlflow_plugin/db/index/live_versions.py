"""The SQL with which one registry write is checked and indexed.

Everything here runs on the connection of the transaction that MLflow opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from hokusai_mlflow_plugin.db.index.live_index import IS_INDEXED_AS
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId, of_model, of_version
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    DELETED_STAGE,
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, token_index
from hokusai_mlflow_plugin.db.upserts import upsert
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown


@dataclass(frozen=True)
class IndexedAs:
    """The index row of a tokenised version."""

    token_id: str
    benchmark_metric: str
    benchmark_value: str
    decision_id: str | None
    """The decision in force; None for a version from before the plugin."""


@dataclass(frozen=True)
class Version:
    """A live version as the database has it."""

    id: VersionId
    creation_time_ms: int
    source: str | None
    run_id: str | None
    indexed: IndexedAs | None = None
    """Its index row, where it is tokenised."""


def lock_models(
    connection: Connection, models: Iterable[ModelId], *, against_creation: bool = False
) -> None:
    """Lock registered models against every other write that tag rules depend on.

    One lock for all such writes to a model, taken before the first change of the flush and in one
    order, so that two writers wait for each other instead of deadlocking.

    Args:
        connection: The write's connection.
        models: The models.
        against_creation: Creating a version takes a shared lock on its model for the foreign key.
            The plain ``FOR UPDATE`` excludes it, so that a token given to the model and one given
            to a new version cannot miss each other; ``FOR NO KEY UPDATE`` lets it pass.

    Raises:
        ConcurrentWrite: A model is not there any more.
    """
    for model in sorted(models):
        _begin_writing(connection)
        found = connection.scalar(
            select(registered_models.c.name)
            .where(*of_model(registered_models, model))
            .with_for_update(key_share=not against_creation)
        )
        if found is None:
            raise ConcurrentWrite(
                f"Registered model {shown(model.name)} has just been renamed or deleted."
            )


def _begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock, its only one; its driver would do so no sooner than the flush."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def read_version(connection: Connection, key: VersionId) -> Version | None:
    """The live version with this key, or None."""
    row = connection.execute(
        select(
            model_versions.c.name,
            model_versions.c.creation_time,
            model_versions.c.source,
            model_versions.c.run_id,
            token_index.c.token_id,
            token_index.c.benchmark_metric,
            token_index.c.benchmark_value,
            token_index.c.decision_id,
        )
        .select_from(model_versions.outerjoin(token_index, IS_INDEXED_AS))
        .where(*of_version(model_versions, key), LIVE)
    ).one_or_none()
    if row is None:
        return None
    indexed = None
    if row.token_id is not None:
        indexed = IndexedAs(
            row.token_id, row.benchmark_metric, row.benchmark_value, row.decision_id
        )
    exact = VersionId(key.workspace, row.name, key.version)
    return Version(exact, row.creation_time or 0, row.source, row.run_id, indexed)


def read_tags(connection: Connection, key: VersionId, keys: Collection[str]) -> dict[str, str]:
    """Those tags of a version whose keys are asked for."""
    rows = connection.execute(
        select(model_version_tags.c.key, model_version_tags.c.value).where(
            *of_version(model_version_tags, key), model_version_tags.c.key.in_(sorted(keys))
        )
    )
    return {key: value or "" for key, value in rows if key in keys}


def read_model_tags(
    connection: Connection, model: ModelId, keys: Collection[str]
) -> dict[str, str]:
    """Those tags of a registered model whose keys are asked for."""
    rows = connection.execute(
        select(registered_model_tags.c.key, registered_model_tags.c.value).where(
            *of_model(registered_model_tags, model),
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
        .where(*of_model(tags, model), tags.c.key == TOKEN_ID_TAG, tags.c.value != token_id, LIVE)
        .order_by(tags.c.version)
        .limit(limit)
    )
    return [(row.version, row.value) for row in rows]


def put(connection: Connection, version: Version, tags: TokenTags, decision_id: str | None) -> None:
    """Write the index row of a tokenised version."""
    upsert(
        connection,
        token_index,
        {
            "workspace": version.id.workspace,
            "name": version.id.name,
            "version": version.id.version,
            "token_id": tags.token_id,
            "benchmark_metric": tags.benchmark_metric,
            "benchmark_value": tags.benchmark_value,
            "contributor_address": tags.contributor_address,
            "creation_time": version.creation_time_ms,
            "decision_id": decision_id,
        },
    )


def remove(connection: Connection, key: VersionId) -> None:
    """Take a version out of the index."""
    connection.execute(token_index.delete().where(*of_version(token_index, key)))


def remove_model(connection: Connection, model: ModelId) -> None:
    """Take every version of a model out of the index."""
    connection.execute(token_index.delete().where(*of_model(token_index, model)))


def rename_model(connection: Connection, model: ModelId, new_name: str) -> None:
    """Move the index rows and the decisions of a model's versions to its new name.

    To be called when MLflow's tables have the new name.

    Index rows that another program orphaned under the new name give way. Decisions on versions
    of an earlier model of the same name stay where they are.
    """
    renamed = ModelId(model.workspace, new_name)
    connection.execute(
        token_index.delete().where(
            *of_model(token_index, renamed),
            # MySQL finds a name in any case: a rename that changes only case keeps its rows.
            token_index.c.name != model.name,
        )
    )
    is_of_version = (
        select(model_versions.c.version)
        .where(
            *of_model(model_versions, renamed),
            model_versions.c.version == decisions.c.version,
            func.coalesce(model_versions.c.creation_time, 0) == decisions.c.creation_time,
        )
        .exists()
    )
    connection.execute(
        decisions.update().where(*of_model(decisions, model), is_of_version).values(name=new_name)
    )
    connection.execute(
        token_index.update().where(*of_model(token_index, model)).values(name=new_name)
    )


def is_deleted_stage(stage: str | None) -> bool:
    """Whether MLflow's stage marks a version as deleted."""
    return stage == DELETED_STAGE
