"""Tokenising new versions whose registered model carries token and metric (R17).

The model's tags are read within the statement in which MLflow reads the model, so that a version of
a model without them costs what it costs MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import event, inspect, or_
from sqlalchemy.orm import ORMExecuteState, joinedload

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.bindings import BINDING_TAGS
from hokusai_mlflow_plugin.services.deltaone.bindings import tags_of_binding
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    DEFAULT_WORKSPACE,
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelTag,
)
from hokusai_mlflow_plugin.store.session import HokusaiSession

# Built once, since that takes longer than the database needs for the join; OR instead of IN, whose
# list is expanded anew at each execution.
_WITH_BINDING = joinedload(
    SqlRegisteredModel.registered_model_tags.and_(
        or_(*(SqlRegisteredModelTag.key == key for key in BINDING_TAGS))
    )
)
_creating: ContextVar[bool] = ContextVar("hokusai_creating_version", default=False)


@contextmanager
def creating_version() -> Iterator[None]:
    """While the block runs, registered models are read together with the tags that bind them."""
    token = _creating.set(True)
    try:
        yield
    finally:
        _creating.reset(token)


@event.listens_for(HokusaiSession, "do_orm_execute")
def _read_with_binding(state: ORMExecuteState) -> None:
    if not (_creating.get() and state.is_select) or state.is_relationship_load:
        return
    if state.bind_mapper is inspect(SqlRegisteredModel):
        state.statement = state.statement.options(_WITH_BINDING)


def version_created() -> None:
    """The version is written: MLflow reads the model once more, and then for its aliases alone."""
    _creating.set(False)


def bind_new_version(session: HokusaiSession) -> None:
    """Give a new version, before it is flushed, the tags that its model makes of it."""
    new = [row for row in session.new if isinstance(row, SqlModelVersion)]
    models = [row for row in session.identity_map.values() if isinstance(row, SqlRegisteredModel)]
    if len(new) != 1 or len(models) != 1:
        return
    row, read = new[0], inspect(models[0]).dict.get("registered_model_tags", ())
    model_tags = {tag.key: tag.value or "" for tag in read}
    if not model_tags:
        return
    workspace = row.workspace or DEFAULT_WORKSPACE
    version = Version(
        VersionId(workspace, row.name, int(row.version)),
        row.creation_time or 0,
        row.source,
        row.run_id,
    )
    brought = {tag.key: tag.value or "" for tag in row.model_version_tags}
    added = tags_of_binding(session.connection(), session.judge, version, brought, model_tags)
    for key, value in added.items():
        tag = SqlModelVersionTag(name=row.name, version=row.version, key=key, value=value)
        tag.workspace = row.workspace
        row.model_version_tags.append(tag)
