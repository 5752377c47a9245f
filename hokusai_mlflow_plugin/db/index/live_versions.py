"""The SQL with which one registry write is checked and indexed.

Everything here runs on the connection of the transaction that MLflow opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

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
from hokusai_mlflow_plugin.db.schema.tables import token_index
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite
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
        begin_writing(connection)
        found = connection.scalar(
            select(registered_models.c.name)
            .where(*of_model(registered_models, model))
            # key_share is PostgreSQL's FOR NO KEY UPDATE. With FOR UPDATE for all, each tag written
            # would hold up every creation of a version of its model.
            .with_for_update(key_share=not against_creation)
        )
        if found is None:
            raise ConcurrentWrite(_gone(model.name))


def those_there(connection: Connection, models: Collection[ModelId]) -> set[ModelId]:
    """Those of some models of one workspace that are there, by the names that they have."""
    rows = connection.execute(
        select(registered_models.c.workspace, registered_models.c.name).where(
            registered_models.c.workspace.in_(sorted({each.workspace for each in models})),
            registered_models.c.name.in_(sorted({each.name for each in models})),
        )
    )
    return {ModelId(workspace, name) for workspace, name in rows} & set(models)


def lock_model_of(connection: Connection, key: VersionId) -> str | None:
    """Lock a version's model as :func:`lock_models` does; the token of the version, if it has one.

    In one statement, so that an ordinary version costs no further one.

    Raises:
        ConcurrentWrite: The model is not there any more.
    """
    begin_writing(connection)
    token_id = select(token_index.c.token_id).where(*of_version(token_index, key)).scalar_subquery()
    row = connection.execute(
        select(registered_models.c.name, token_id.label("token_id"))
        .where(*of_model(registered_models, key))
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise ConcurrentWrite(_gone(key.name))
    return None if row.token_id is None else str(row.token_id)


def _gone(name: str) -> str:
    return f"Registered model {shown(name)} has just been renamed or deleted."


def begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock, its only one; its driver would do so no sooner than the flush."""
    if connection.dialect.name == "sqlite":
        # Asked of the driver: SQLAlchemy counts a transaction as begun before SQLite has begun one,
        # and a second BEGIN is an error.
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
    # As it is stored: MySQL finds a name in any case, and our rows have to join with MLflow's.
    exact = VersionId(key.workspace, row.name, key.version)
    return Version(exact, row.creation_time or 0, row.source, row.run_id, indexed)


def read_tags(connection: Connection, key: VersionId, keys: Collection[str]) -> dict[str, str]:
    """Those tags of a version whose keys are asked for."""
    rows = connection.execute(
        select(model_version_tags.c.key, model_version_tags.c.value).where(
            *of_version(model_version_tags, key), model_version_tags.c.key.in_(sorted(keys))
        )
    )
    # Compared once more: MySQL finds a key in any case.
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
    # As above.
    return {key: value or "" for key, value in rows if key in keys}


def keys_found_as(
    connection: Connection, of: ModelId | VersionId, keys: Collection[str]
) -> set[str]:
    """Keys of a version's or model's tags that the database finds under these keys, as stored."""
    if isinstance(of, VersionId):
        tags, condition = model_version_tags, of_version(model_version_tags, of)
    else:
        tags, condition = registered_model_tags, of_model(registered_model_tags, of)
    return set(
        connection.scalars(select(tags.c.key).where(*condition, tags.c.key.in_(sorted(keys))))
    )


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


def follows_model_token(connection: Connection, model: ModelId, token_id: str | None) -> bool:
    """Whether each live version with a token tag is indexed, under the model's token if it has one.

    Args:
        connection: The write's connection.
        model: The model.
        token_id: Its own token; None where its versions may carry any.
    """
    tags = model_version_tags
    is_other: ColumnElement[bool] = token_index.c.token_id.is_(None)
    if token_id is not None:
        # A version of another token that is not indexed is as it has to be.
        is_other = or_(
            and_(is_other, tags.c.value == token_id),
            and_(token_index.c.token_id.is_not(None), token_index.c.token_id != token_id),
        )
    query = (
        select(tags.c.version)
        .select_from(
            tags.join(model_versions, same_version(tags, model_versions)).outerjoin(
                token_index, IS_INDEXED_AS
            )
        )
        .where(*of_model(tags, model), tags.c.key == TOKEN_ID_TAG, LIVE, is_other)
        .limit(1)
    )
    return connection.scalars(query).first() is None


def is_deleted_stage(stage: str | None) -> bool:
    """Whether MLflow's stage marks a version as deleted."""
    return stage == DELETED_STAGE
