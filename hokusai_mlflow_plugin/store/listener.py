"""Hearing every write that MLflow makes to the registry.

Before a flush the touched models are locked; after it, still in the transaction, the rules are
checked and the index is brought in line. A refusal rolls all of it back. Listening to the session
instead of overriding methods covers every write path, also those that MLflow adds later (R4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import UOWTransaction

from hokusai_mlflow_plugin.db.index.live_versions import Version, is_deleted_stage
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite, HokusaiError
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG
from hokusai_mlflow_plugin.domain.tags import RULED_TAGS
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.services import registry_writes
from hokusai_mlflow_plugin.services.changes import Changes, CreatedVersion
from hokusai_mlflow_plugin.store import registry_log
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    DEFAULT_WORKSPACE,
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from hokusai_mlflow_plugin.store.mlflow_compat.errors import translate
from hokusai_mlflow_plugin.store.session import HokusaiSession

_PARTS = (SqlModelVersionTag, SqlRegisteredModelTag, SqlRegisteredModelAlias)


@event.listens_for(HokusaiSession, "before_flush")
def _lock(session: HokusaiSession, _context: UOWTransaction, _instances: object) -> None:
    changes = _changes(session)
    if not changes.needs_lock:
        return
    try:
        registry_writes.lock(session.connection(), changes)
    except HokusaiError as error:
        raise translate(error) from error


@event.listens_for(HokusaiSession, "after_flush")
def _apply(session: HokusaiSession, _context: UOWTransaction) -> None:
    changes = _changes(session)
    if not changes:
        return
    try:
        registry_writes.apply(session.connection(), registry_log.overheard(session), changes)
    except HokusaiError as error:
        if not isinstance(error, ConcurrentWrite):  # that is begun again
            registry_log.refused(changes, error)
        raise translate(error) from error


def _changes(session: HokusaiSession) -> Changes:
    """What the session's pending objects change; the same before and after the flush."""
    changes = Changes()
    created: dict[VersionId, CreatedVersion] = {}
    for row in session.new:
        if isinstance(row, SqlRegisteredModel):
            changes.created_models.add(ModelId(_workspace(row), row.name))
        elif isinstance(row, SqlModelVersion):
            tags = {tag.key: tag.value or "" for tag in row.model_version_tags}
            key = _version_id(row)
            version = Version(key, row.creation_time or 0, row.source, row.run_id)
            created[key] = CreatedVersion(version, tags)
    changes.created.extend(created.values())
    _add_tag_writes(changes, created, session.new, are_new=True)
    _add_tag_writes(changes, created, session.deleted)
    for row in session.dirty:
        if isinstance(row, SqlModelVersion):
            _add_stage_change(changes, row)
        elif isinstance(row, SqlRegisteredModel):
            _add_rename(changes, row)
        elif isinstance(row, (SqlModelVersionTag, SqlRegisteredModelTag)):
            _add_tag_writes(changes, created, (row,) if _has_new_value(row) else ())
            _add_new_key(changes, row)
    for row in session.deleted:
        if isinstance(row, SqlRegisteredModel):
            changes.deleted_models.add(ModelId(row.workspace, row.name))
        elif isinstance(row, SqlModelVersion):
            changes.deleted.add(_version_id(row))
        elif isinstance(row, _PARTS):
            changes.reduced_models.add(ModelId(_workspace(row), row.name))
    return _without_deleted(changes)


def _add_tag_writes(
    changes: Changes,
    created: dict[VersionId, CreatedVersion],
    rows: Iterable[Any],
    *,
    are_new: bool = False,
) -> None:
    for row in rows:
        if isinstance(row, SqlModelVersionTag) and row.key in RULED_TAGS:
            key = _version_id(row)
            if key not in created:
                changes.retagged.setdefault(key, set()).add(row.key)
                if are_new:
                    changes.added.setdefault(key, set()).add(row.key)
        elif isinstance(row, SqlRegisteredModelTag) and row.key in (TOKEN_ID_TAG, PROMPT_TAG):
            changes.retagged_models.add(ModelId(_workspace(row), row.name))


def _add_new_key(changes: Changes, row: SqlModelVersionTag | SqlRegisteredModelTag) -> None:
    """MySQL finds a key in any case: writing a similar one takes a ruled tag's row over."""
    history = inspect(row).attrs.key.history
    old = history.deleted[0] if history.has_changes() and history.deleted else None
    if old not in RULED_TAGS:
        return
    if isinstance(row, SqlModelVersionTag):
        changes.retagged.setdefault(_version_id(row), set()).add(old)
    else:
        changes.taken_over.append((ModelId(_workspace(row), row.name), old))


def _has_new_value(row: SqlModelVersionTag | SqlRegisteredModelTag) -> bool:
    return inspect(row).attrs.value.history.has_changes()


def _add_stage_change(changes: Changes, row: SqlModelVersion) -> None:
    # Set to what it was counts too: MLflow then writes the version and after it the model, and
    # would deadlock with a writer who has locked the model first.
    if "current_stage" in inspect(row).committed_state:
        changed = changes.deleted if is_deleted_stage(row.current_stage) else changes.staged
        changed.add(_version_id(row))


def _add_rename(changes: Changes, row: SqlRegisteredModel) -> None:
    history = inspect(row).attrs.name.history
    if history.has_changes() and history.deleted:
        changes.renamed.append((ModelId(row.workspace, history.deleted[0]), row.name))


def _without_deleted(changes: Changes) -> Changes:
    """Deleting a model deletes its versions and tags with it: one statement is enough."""
    gone = changes.deleted_models
    if gone:
        changes.deleted = {key for key in changes.deleted if key.model not in gone}
        changes.retagged = {k: v for k, v in changes.retagged.items() if k.model not in gone}
        changes.retagged_models -= gone
        changes.reduced_models -= gone
    return changes


def _version_id(row: SqlModelVersion | SqlModelVersionTag) -> VersionId:
    return VersionId(_workspace(row), row.name, int(row.version))


def _workspace(row: Any) -> str:
    """MLflow leaves the workspace of a new row to the column's default where there is only one."""
    return row.workspace or DEFAULT_WORKSPACE
