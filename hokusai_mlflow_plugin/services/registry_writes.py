"""What one registry write means: checked, decided on, indexed and rewarded, in this order.

One code path for every write: the listener says which versions and models a flush touched, and
this re-reads them in the same transaction and takes each through the subjects once (R4
to R7, R10).
"""

from __future__ import annotations

import time

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.history import history_rows
from hokusai_mlflow_plugin.db.index import index_rows, live_versions, past_names
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.policy import finding_rows
from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
)
from hokusai_mlflow_plugin.domain.tags import (
    Write,
)
from hokusai_mlflow_plugin.services.changes import Changes
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.services.history.entries import (
    record_deleted_model,
    record_deleted_version,
    record_rename,
    version_entry,
)
from hokusai_mlflow_plugin.services.model_writes import follow_model, write_model
from hokusai_mlflow_plugin.services.version_writes import version_subject, write_tags, write_version


def lock(connection: Connection, judge: Judge, changes: Changes) -> None:
    """Take every model lock that :func:`apply` needs; to be called before the flush writes.

    Behind the lock it looks again at what the database would let pass without complaint: rows to
    be deleted that a rename moved away, and a stage that would bring a deleted version back.

    Raises:
        ConcurrentWrite: Another writer was faster; the write has to begin again.
    """
    live_versions.lock_models(connection, changes.locked_fully, against_creation=True)
    live_versions.lock_models(connection, changes.locked - {k.model for k, _ in changes.unaliased})
    entries = []
    for key, alias in sorted(changes.unaliased):
        if (token_id := live_versions.lock_model_of(connection, key)) is not None:
            entries.append(version_entry(judge, "alias_deleted", key, token_id, alias=alias))
    for key, (before, stage) in sorted(changes.staged.items()):
        version = live_versions.read_version(connection, key)
        if version is None:
            raise ConcurrentWrite(f"{version_subject(key)} has just been deleted.")
        if version.indexed is not None and stage != before:
            token_id = version.indexed.token_id
            entries.append(
                version_entry(judge, "stage_set", version.id, token_id, stage=stage, before=before)
            )
    # Here, and not after the flush: only this look at a version tells whether it is tokenised, and
    # another one would cost every ordinary version a statement.
    history_rows.write(connection, entries)


def apply(connection: Connection, judge: Judge, changes: Changes) -> None:
    """Check what a flush wrote, bring the token index in line with it, and decide.

    Raises:
        TagsRefused: The write breaks a rule; the caller rolls the transaction back.
        TagsLocked: It would change tags that a reward rests on.
    """
    # Renames first: all that follows finds its rows under the new name. Then what is gone, so that
    # nothing of it is taken for a new version's.
    for model, new_name in changes.renamed:
        if index_rows.rename_model(connection, model, new_name):
            _give_up_name(connection, model, new_name)
            record_rename(connection, judge, model, new_name)
        finding_rows.rename_model(connection, model, new_name)
    for model in sorted(changes.deleted_models):
        index_rows.remove_model(connection, model)
        if model in changes.deleted_tokenised:
            _give_up_name(connection, model, None)
            record_deleted_model(connection, judge, model, changes)
    for key in sorted(changes.deleted):
        if index_rows.remove(connection, key):
            record_deleted_version(connection, judge, key)
    for model in sorted(changes.retagged_models):
        write_model(connection, judge, model, changes.retagged_models[model])
        if model not in changes.created_models:
            follow_model(connection, judge.settings, model)
    for created in changes.created:
        write_version(connection, judge, created.version, Write(created.tags, created=True))
    for key in sorted(changes.retagged):
        write_tags(connection, judge, key, changes)
    history_rows.write(
        connection,
        [
            version_entry(
                judge,
                "alias_set",
                each.version,
                each.token_id,
                alias=each.alias,
                before=None if each.before is None else str(each.before),
            )
            for each in changes.aliased
        ],
    )


def _give_up_name(connection: Connection, model: ModelId, new_name: str | None) -> None:
    past_names.give_up(connection, model, new_name, time.time_ns() // 1_000_000)
