"""Aliases that tokenised versions are given, for their history.

Whether a version is tokenised is read within the statement in which MLflow looks whether it is
there, so that an alias of an ordinary version costs what it costs MLflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import event, inspect
from sqlalchemy.orm import ORMExecuteState, joinedload

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.services.changes import AliasGiven
from hokusai_mlflow_plugin.store.mlflow_compat.database import (
    DEFAULT_WORKSPACE,
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModelAlias,
)
from hokusai_mlflow_plugin.store.session import HokusaiSession

# Built once, since that takes longer than the database needs for the join.
_WITH_TOKEN = joinedload(
    SqlModelVersion.model_version_tags.and_(SqlModelVersionTag.key == TOKEN_ID_TAG)
)
_giving: ContextVar[bool] = ContextVar("hokusai_giving_alias", default=False)


@contextmanager
def giving_alias() -> Iterator[None]:
    """While the block runs, versions are read together with their tokens."""
    token = _giving.set(True)
    try:
        yield
    finally:
        _giving.reset(token)


@event.listens_for(HokusaiSession, "do_orm_execute")
def _read_with_token(state: ORMExecuteState) -> None:
    if not (_giving.get() and state.is_select) or state.is_relationship_load:
        return
    if state.bind_mapper is inspect(SqlModelVersion):
        state.statement = state.statement.options(_WITH_TOKEN)


def aliases_given(session: HokusaiSession, pending: Iterable[object]) -> Iterator[AliasGiven]:
    """The aliases that new and changed objects of a session give to versions with a token."""
    for row in pending:
        if not isinstance(row, SqlRegisteredModelAlias):
            continue
        changed = inspect(row).attrs.version.history
        token_id = _token_of(session, row)
        if changed.has_changes() and token_id is not None:
            key = VersionId(row.workspace or DEFAULT_WORKSPACE, row.name, int(row.version))
            before = changed.deleted[0] if changed.deleted else None
            yield AliasGiven(key, token_id, row.alias, before)


def _token_of(session: HokusaiSession, row: SqlRegisteredModelAlias) -> str | None:
    """The token of the version that an alias is given to, as far as the session has read it."""
    for each in session.identity_map.values():
        if isinstance(each, SqlModelVersion) and int(each.version) == int(row.version):
            for tag in inspect(each).dict.get("model_version_tags", ()):
                if tag.key == TOKEN_ID_TAG:
                    return str(tag.value)
    return None
