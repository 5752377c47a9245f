"""Totals of tokens over all their live versions, and of their contributors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, distinct, func, select

from hokusai_mlflow_plugin.db.index.live_index import LIVE_INDEX, OF_LIVE_VERSION
from hokusai_mlflow_plugin.db.schema.mlflow_tables import LIVE
from hokusai_mlflow_plugin.db.schema.tables import token_index

VERSION_TOTALS: tuple[ColumnElement[Any], ...] = (
    func.count().label("version_count"),
    func.max(token_index.c.creation_time).label("last_registered_timestamp"),
)
"""Of the index rows of a group; the time in ms."""
_OF_TOKEN = (
    token_index.c.token_id,
    func.count(distinct(token_index.c.name)).label("model_count"),
    *VERSION_TOTALS,
)


def tokens(
    connection: Connection, workspace: str, prefix: str, after: str, limit: int
) -> Sequence[RowMapping]:
    """One row per token with live versions, in the order of token ids, after ``after``.

    Shape: ``token_id``, ``model_count``, ``version_count``, ``last_registered_timestamp`` (ms).
    """
    query = (
        select(*_OF_TOKEN)
        .where(
            token_index.c.workspace == workspace,
            token_index.c.token_id > after,
            *of_prefix(prefix),
            OF_LIVE_VERSION,
        )
        .group_by(token_index.c.token_id)
        .order_by(token_index.c.token_id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def of_prefix(prefix: str) -> tuple[ColumnElement[bool], ...]:
    """The token ids that begin with a prefix, as a range of the index."""
    if not prefix:
        return ()
    token_id = token_index.c.token_id
    return token_id >= prefix, token_id < prefix + "["  # sorts after any A-Z, 0-9, -


def token(connection: Connection, workspace: str, token_id: str) -> RowMapping | None:
    """The row of :func:`tokens` for one token, or None."""
    query = (
        select(*_OF_TOKEN)
        .select_from(LIVE_INDEX)
        .where(_of_token(workspace, token_id), LIVE)
        .group_by(token_index.c.token_id)
    )
    return connection.execute(query).mappings().one_or_none()


def contributors(connection: Connection, workspace: str, token_id: str) -> Sequence[RowMapping]:
    """Payable contributors of a token's live versions, in the order of their addresses."""
    address = token_index.c.contributor_address
    query = (
        select(address, *VERSION_TOTALS)
        .select_from(LIVE_INDEX)
        .where(_of_token(workspace, token_id), address.is_not(None), LIVE)
        .group_by(address)
        .order_by(address)
    )
    return connection.execute(query).mappings().all()


def _of_token(workspace: str, token_id: str) -> ColumnElement[bool]:
    return and_(token_index.c.workspace == workspace, token_index.c.token_id == token_id)
