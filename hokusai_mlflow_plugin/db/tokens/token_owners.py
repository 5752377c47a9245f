"""Tokens with the workspace that has them and their declaration, read and written (R18)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, exists, func, or_, select

from hokusai_mlflow_plugin.db.deltaone.surroundings import ownership_of
from hokusai_mlflow_plugin.db.index.live_versions import begin_writing
from hokusai_mlflow_plugin.db.schema.tables import decisions, series, token_publishers, tokens
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent, upsert
from hokusai_mlflow_plugin.domain.ownership import Ownership


def read_owner(connection: Connection, token_id: str, user: str | None) -> Ownership | None:
    """Who has a token, and whether a user may put it on versions; None where nobody has it yet."""
    is_publisher = exists().where(
        token_publishers.c.token_id == token_id, token_publishers.c.publisher == user
    )
    row = connection.execute(
        select(
            tokens.c.workspace.label("owner_workspace"),
            tokens.c.metrics,
            tokens.c.ceiling_pp,
            tokens.c.closed_time,
            is_publisher.label("is_publisher"),
        ).where(tokens.c.token_id == token_id)
    ).one_or_none()
    return None if row is None else ownership_of(row)


def claim(connection: Connection, workspace: str, token_id: str, now_ms: int) -> str:
    """The workspace that a token belongs to from now on: the first that used it.

    A workspace whose transaction is not committed yet is waited for.

    Args:
        connection: The write's connection.
        workspace: The one that uses it now, if nobody did before.
        token_id: The token.
        now_ms: The time.
    """
    owner = first_workspace(connection, token_id) or workspace
    row = {"token_id": token_id, "workspace": owner, "claimed_time": now_ms}
    # The key decides between two workspaces that race: the second waits here for the first.
    if insert_if_absent(connection, tokens, sealed(tokens, row)):
        return owner
    return str(connection.scalar(select(tokens.c.workspace).where(tokens.c.token_id == token_id)))


def first_workspace(connection: Connection, token_id: str) -> str | None:
    """The workspace in which a series of a token began first; None where none has begun.

    For tokens that were used before each use was claimed, or where a server has no workspaces.
    """
    query = select(series.c.workspace).where(series.c.token_id == token_id).distinct()
    found = sorted(connection.scalars(query))
    if len(found) <= 1:
        return str(found[0]) if found else None
    began = (
        select(decisions.c.workspace)
        .where(decisions.c.workspace.in_(found), decisions.c.token_id == token_id)
        .group_by(decisions.c.workspace)
        .order_by(func.min(decisions.c.decided_time), decisions.c.workspace)
        .limit(1)
    )
    return str(connection.scalars(began).first() or found[0])


def lock_token(connection: Connection, token_id: str) -> RowMapping | None:
    """The row of a token, locked until the transaction ends."""
    begin_writing(connection)
    query = select(tokens).where(tokens.c.token_id == token_id).with_for_update()
    return connection.execute(query).mappings().one_or_none()


def put_token(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write the row of a token that this transaction has locked."""
    content = {column.name: row.get(column.name) for column in tokens.columns}
    upsert(connection, tokens, sealed(tokens, content))


def read_token(connection: Connection, token_id: str) -> RowMapping | None:
    """The row of a token."""
    query = select(tokens).where(tokens.c.token_id == token_id)
    return connection.execute(query).mappings().one_or_none()


def read_publishers(connection: Connection, token_id: str) -> Sequence[str]:
    """Who may put a token on versions, in order."""
    query = (
        select(token_publishers.c.publisher)
        .where(token_publishers.c.token_id == token_id)
        .order_by(token_publishers.c.publisher)
    )
    return connection.scalars(query).all()


def read_with_publishers(connection: Connection, token_id: str) -> Sequence[RowMapping]:
    """The row of a token for each ``publisher``, in order; one with null where it has none."""
    query = (
        select(tokens, token_publishers.c.publisher)
        .select_from(
            tokens.outerjoin(token_publishers, token_publishers.c.token_id == tokens.c.token_id)
        )
        .where(tokens.c.token_id == token_id)
        .order_by(token_publishers.c.publisher)
    )
    return connection.execute(query).mappings().all()


def add_publishers(
    connection: Connection, token_id: str, publishers: Collection[str], now_ms: int
) -> None:
    """Let users put a token on versions who may not yet."""
    rows = [
        {"token_id": token_id, "publisher": each, "granted_time": now_ms}
        for each in sorted(publishers)
    ]
    if rows:
        connection.execute(
            token_publishers.insert(), [sealed(token_publishers, row) for row in rows]
        )


def remove_publishers(connection: Connection, token_id: str, publishers: Collection[str]) -> None:
    """Let users put a token on versions no more."""
    connection.execute(
        token_publishers.delete().where(
            token_publishers.c.token_id == token_id,
            token_publishers.c.publisher.in_(sorted(publishers)),
        )
    )


def questionable(
    connection: Connection, after: str, limit: int, *, undeclared: bool
) -> Sequence[RowMapping]:
    """Tokens with series outside the one workspace that they belong to, in order.

    Shape: ``token_id``, ``owner`` (null where no use was claimed), ``is_declared``.

    Args:
        connection: Where to ask.
        after: The last token before.
        limit: How many at most.
        undeclared: Those that are not declared besides.
    """
    other = series.alias("other")
    is_elsewhere = exists().where(
        other.c.token_id == series.c.token_id, other.c.workspace != series.c.workspace
    )
    wanted = [tokens.c.workspace != series.c.workspace, is_elsewhere]
    if undeclared:
        wanted.append(tokens.c.metrics.is_(None))
    query = (
        select(
            series.c.token_id,
            tokens.c.workspace.label("owner"),
            tokens.c.declared_time.is_not(None).label("is_declared"),
        )
        .select_from(series.outerjoin(tokens, tokens.c.token_id == series.c.token_id))
        .where(and_(series.c.token_id > after, or_(*wanted)))
        .distinct()
        .order_by(series.c.token_id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def workspaces_of(connection: Connection, token_ids: Collection[str]) -> dict[str, list[str]]:
    """The workspaces in which series of each token have begun, in order."""
    found: dict[str, list[str]] = {}
    query = (
        select(series.c.token_id, series.c.workspace)
        .where(series.c.token_id.in_(sorted(token_ids)))
        .distinct()
        .order_by(series.c.token_id, series.c.workspace)
    )
    for token_id, workspace in connection.execute(query):
        found.setdefault(token_id, []).append(workspace)
    return found


def metrics_text(metrics: Collection[str]) -> str:
    """Metrics as ``hokusai_tokens`` has them."""
    return json.dumps(sorted(metrics))
