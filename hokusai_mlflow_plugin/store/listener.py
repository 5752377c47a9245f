"""Hearing every write that MLflow makes to the registry.

Before a flush the touched models are locked; after it, still in the transaction, the rules are
checked and the index is brought in line. A refusal rolls all of it back. Listening to the session
instead of overriding methods covers every write path, also those that MLflow adds later (R4).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import UOWTransaction

from hokusai_mlflow_plugin.db.index.live_versions import Version, is_deleted_stage
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.errors import ConcurrentWrite, HokusaiError
from hokusai_mlflow_plugin.domain.tag_keys import resembled
from hokusai_mlflow_plugin.domain.tags import RULED_MODEL_TAGS, RULED_TAGS
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.services import registry_writes
from hokusai_mlflow_plugin.services.changes import Changes, CreatedVersion
from hokusai_mlflow_plugin.store import registry_log
from hokusai_mlflow_plugin.store.aliases import aliases_given
from hokusai_mlflow_plugin.store.binding import bind_new_version, version_created
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

_TAGS = (SqlModelVersionTag, SqlRegisteredModelTag)
_PARTS = (*_TAGS, SqlRegisteredModelAlias)


# Two hooks, because each can do what the other cannot. Before the flush, locks: MLflow's own SQL
# would take them in another order, and two writers deadlock. After it, rules: only then do the rows
# hold what is to be judged. Not in after_flush_postexec: the session has forgotten by then what was
# new, changed and deleted.
@event.listens_for(HokusaiSession, "before_flush")
def _lock(session: HokusaiSession, _context: UOWTransaction, _instances: object) -> None:
    _spell_as_stored(session)
    bind_new_version(session)
    # Kept for the hook after the flush, which would find the same.
    changes = session.changes = _changes(session)
    if not changes.needs_lock:
        return
    try:
        registry_writes.lock(session.connection(), registry_log.overheard(session), changes)
    except HokusaiError as error:
        raise translate(error) from error


@event.listens_for(HokusaiSession, "after_flush")
def _apply(session: HokusaiSession, _context: UOWTransaction) -> None:
    changes = session.changes
    if not changes:
        return
    try:
        registry_writes.apply(session.connection(), registry_log.overheard(session), changes)
    except HokusaiError as error:
        if not isinstance(error, ConcurrentWrite):  # that is begun again
            registry_log.refused(changes, error)
        raise translate(error) from error
    if changes.created:
        version_created()


def _spell_as_stored(session: HokusaiSession) -> None:
    """Give a new version the name of its model where the database found that under another one.

    MLflow has just read the model and holds it, and would write the name that it was asked for
    (``create_model_version``, MLflow 3.17). On MySQL they can differ in case and trailing blanks.
    """
    new = [row for row in session.new if isinstance(row, SqlModelVersion)]
    # create_model_version makes one. With more there is no telling which model each was meant for.
    if len(new) != 1:
        return
    models = [row for row in session.identity_map.values() if isinstance(row, SqlRegisteredModel)]
    if len(models) != 1 or new[0].name == models[0].name:
        return
    for row in (new[0], *new[0].model_version_tags):
        row.name = models[0].name


def _changes(session: HokusaiSession) -> Changes:
    """What the session's pending objects change."""
    changes = Changes()
    created: dict[VersionId, CreatedVersion] = {}
    # Once each: the session makes these sets anew whenever it is asked.
    new, dirty = tuple(session.new), tuple(session.dirty)
    for row in new:
        if isinstance(row, SqlRegisteredModel):
            changes.created_models.add(ModelId(_workspace(row), row.name))
        elif isinstance(row, SqlModelVersion):
            tags = {tag.key: tag.value or "" for tag in row.model_version_tags}
            key = _version_id(row)
            version = Version(key, row.creation_time or 0, row.source, row.run_id)
            created[key] = CreatedVersion(version, tags)
    changes.created.extend(created.values())
    # Once all new versions are known: a tag that comes with its version is part of the creation,
    # and taken for a write it would be checked and decided on a second time.
    for row in new:
        _add_tag_write(changes, created, row, is_new=True)
    changes.aliased.extend(aliases_given(session, (*new, *dirty)))
    for row in dirty:
        if isinstance(row, SqlModelVersion):
            _add_stage_change(changes, row)
        elif isinstance(row, SqlRegisteredModel):
            _add_rename(changes, row)
        # session.dirty also holds rows that were set to what they are: no write, and no decision.
        elif isinstance(row, _TAGS) and _is_changed(row):
            _add_tag_write(changes, created, row)
    for row in session.deleted:
        _add_tag_write(changes, created, row)
        _add_deletion(changes, row)
    return _without_deleted(changes)


def _add_deletion(changes: Changes, row: Any) -> None:
    _add_removed_tag(changes, row)
    if isinstance(row, SqlRegisteredModel):
        changes.deleted_models.add(ModelId(row.workspace, row.name))
    elif isinstance(row, SqlModelVersion):
        changes.deleted.add(_version_id(row))
    elif isinstance(row, _PARTS):
        if isinstance(row, SqlRegisteredModelAlias):
            changes.unaliased.append((_version_id(row), row.alias))
        changes.reduced_models.add(ModelId(_workspace(row), row.name))


def _add_tag_write(
    changes: Changes, created: dict[VersionId, CreatedVersion], row: Any, *, is_new: bool = False
) -> None:
    if isinstance(row, SqlModelVersionTag):
        version = _version_id(row)
        if version not in created and (keys := _watched(row, RULED_TAGS)):
            changes.retagged.setdefault(version, set()).update(keys)
            if is_new:
                changes.added.setdefault(version, set()).update(keys)
    elif isinstance(row, SqlRegisteredModelTag) and (keys := _watched(row, RULED_MODEL_TAGS)):
        model = ModelId(_workspace(row), row.name)
        changes.retagged_models.setdefault(model, set()).update(keys)


def _add_removed_tag(changes: Changes, row: Any) -> None:
    if isinstance(row, SqlModelVersionTag) and row.key in RULED_TAGS:
        changes.removed.setdefault(_version_id(row), {})[row.key] = row.value or ""


def _watched(row: Any, ruled: frozenset[str]) -> set[str]:
    """The ruled keys that a tag's row has or had, and one that a database may take for such.

    Where the database finds a row under another spelling of its key, MLflow (3.17) writes the new
    spelling over the old one: one write then ends one tag and makes another.
    """
    keys = {row.key, *(inspect(row).attrs.key.history.deleted or ())}
    return {key for key in keys if key in ruled or resembled(key, ruled)}


def _is_changed(row: Any) -> bool:
    """Whether any column of a row changes: its value, or the spelling of its key."""
    state = inspect(row)
    return any(state.attrs[each.key].history.has_changes() for each in state.mapper.column_attrs)


def _add_stage_change(changes: Changes, row: SqlModelVersion) -> None:
    # Set to what it was counts too: MLflow then writes the version and after it the model, and
    # would deadlock with a writer who has locked the model first.
    if "current_stage" in inspect(row).committed_state:
        if is_deleted_stage(row.current_stage):
            changes.deleted.add(_version_id(row))
        else:
            before = inspect(row).committed_state["current_stage"]
            was = before if isinstance(before, str) else None
            changes.staged[_version_id(row)] = (was, row.current_stage)


def _add_rename(changes: Changes, row: SqlRegisteredModel) -> None:
    history = inspect(row).attrs.name.history
    if history.has_changes() and history.deleted:
        changes.renamed.append((ModelId(row.workspace, history.deleted[0]), row.name))


def _without_deleted(changes: Changes) -> Changes:
    """Deleting a model deletes its versions and tags with it: one statement is enough."""
    gone = changes.deleted_models
    if gone:
        for key, tags in changes.removed.items():
            if key.model in gone and TOKEN_ID_TAG in tags:
                tokens = changes.deleted_tokenised.setdefault(key.model, set())
                tokens.add(tags[TOKEN_ID_TAG])
        changes.deleted = {key for key in changes.deleted if key.model not in gone}
        changes.retagged = {k: v for k, v in changes.retagged.items() if k.model not in gone}
        changes.removed = {k: v for k, v in changes.removed.items() if k.model not in gone}
        for model in gone:
            changes.retagged_models.pop(model, None)
        changes.reduced_models -= gone
        changes.unaliased = [each for each in changes.unaliased if each[0].model not in gone]
    return changes


def _version_id(row: SqlModelVersion | SqlModelVersionTag | SqlRegisteredModelAlias) -> VersionId:
    return VersionId(_workspace(row), row.name, int(row.version))


def _workspace(row: Any) -> str:
    """MLflow leaves the workspace of a new row to the column's default where there is only one."""
    return row.workspace or DEFAULT_WORKSPACE
