"""What is put on record of a registry write besides its decisions, in that write's transaction.

Of models with tokenised versions only: an ordinary model costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.history.history_rows import Entry
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.services.changes import Changes
from hokusai_mlflow_plugin.services.deltaone.judge import Judge


def version_entry(
    judge: Judge, action: str, key: VersionId, token_id: str | None, **details: Any
) -> Entry:
    """Something that happened to one version."""
    return Entry(
        key.workspace, action, now_ms(), judge.actor(), token_id, key.name, key.version, details
    )


def model_entry(
    judge: Judge, action: str, model: ModelId, token_id: str | None, **details: Any
) -> Entry:
    """Something that happened to a registered model."""
    return Entry(
        model.workspace, action, now_ms(), judge.actor(), token_id, model.name, details=details
    )


def record_deleted_version(connection: Connection, judge: Judge, key: VersionId) -> None:
    """Put on record that a tokenised version was deleted; MLflow keeps its tags."""
    token_id = live_versions.read_tags(connection, key, {TOKEN_ID_TAG}).get(TOKEN_ID_TAG)
    history_rows.write(connection, [version_entry(judge, "version_deleted", key, token_id)])


def record_deleted_model(
    connection: Connection, judge: Judge, model: ModelId, changes: Changes
) -> None:
    """Put on record that a model was deleted, once for each token that a version carried."""
    tokens = sorted(changes.deleted_tokenised[model])
    entries = [model_entry(judge, "model_deleted", model, token_id) for token_id in tokens]
    history_rows.write(connection, entries)


def record_rename(connection: Connection, judge: Judge, model: ModelId, new_name: str) -> None:
    """Have a model's history go on under its new name, beginning with the rename."""
    history_rows.rename_model(connection, model, new_name)
    renamed = ModelId(model.workspace, new_name)
    entry = model_entry(judge, "model_renamed", renamed, None, from_name=model.name)
    history_rows.write(connection, [entry])


def record_tags(
    connection: Connection,
    judge: Judge,
    of: VersionId | ModelId,
    tags: Mapping[str, str],
    written: Mapping[str, str | None],
) -> None:
    """Put on record who wrote tags that led to no decision; of a server without users, nothing.

    Args:
        connection: That of the write.
        judge: Names the user.
        of: The version, or the model itself.
        tags: Its ruled tags after the write.
        written: The tags that were written; None for one that was deleted.
    """
    if judge.actor() is None:
        return
    token_id, details = tags.get(TOKEN_ID_TAG), {"tags": dict(written)}
    if isinstance(of, VersionId):
        entry = version_entry(judge, "tags_written", of, token_id, **details)
    else:
        entry = model_entry(judge, "tags_written", of, token_id, **details)
    history_rows.write(connection, [entry])


def now_ms() -> int:
    """The time."""
    return time.time_ns() // 1_000_000
