"""Totals of tokens, one row per registered model.

For askers who may read some models only: what they see is added up from those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, RowMapping, select

from hokusai_mlflow_plugin.db.index.live_index import LIVE_INDEX, OF_LIVE_VERSION
from hokusai_mlflow_plugin.db.schema.mlflow_tables import LIVE
from hokusai_mlflow_plugin.db.schema.tables import token_index
from hokusai_mlflow_plugin.db.tokens.token_totals import VERSION_TOTALS, of_prefix

_FETCH = 5_000


def nth_token(
    connection: Connection, workspace: str, prefix: str, after: str, count: int
) -> str | None:
    """The token that is so many after another one; None where there are not so many."""
    query = (
        select(token_index.c.token_id)
        .distinct()
        .where(token_index.c.workspace == workspace, token_index.c.token_id > after)
        .where(*of_prefix(prefix))
        .order_by(token_index.c.token_id)
        .offset(count - 1)
        .limit(1)
    )
    return connection.scalar(query)


def models_of_tokens(
    connection: Connection, workspace: str, prefix: str, after: str, last: str | None
) -> Iterator[RowMapping]:
    """Live versions counted by token and model, in that order.

    Shape: ``token_id``, ``name``, ``version_count``, ``last_registered_timestamp`` (ms).

    Args:
        connection: Where to ask.
        workspace: The workspace.
        prefix: What the token ids begin with.
        after: The token before the first.
        last: The last token; None for all that follow.
    """
    token_id, name = token_index.c.token_id, token_index.c.name
    query = (
        select(token_id, name, *VERSION_TOTALS)
        .where(token_index.c.workspace == workspace, token_id > after)
        .where(OF_LIVE_VERSION)
        .where(*of_prefix(prefix))
        .group_by(token_id, name)
        .order_by(token_id, name)
        # Streamed, and not in pages: no index has this order, so that each page would count anew.
        .execution_options(yield_per=_FETCH)
    )
    if last is not None:
        query = query.where(token_id <= last)
    return iter(connection.execute(query).mappings())


def models_of_token(connection: Connection, workspace: str, token_id: str) -> Sequence[RowMapping]:
    """The rows of :func:`models_of_tokens` for one token."""
    query = (
        select(token_index.c.token_id, token_index.c.name, *VERSION_TOTALS)
        .select_from(LIVE_INDEX)
        .where(token_index.c.workspace == workspace, token_index.c.token_id == token_id, LIVE)
        .group_by(token_index.c.token_id, token_index.c.name)
        .order_by(token_index.c.name)
    )
    return connection.execute(query).mappings().all()


def contributors_by_model(
    connection: Connection, workspace: str, token_id: str
) -> Sequence[RowMapping]:
    """Payable contributors of a token's live versions, by address and model, in that order."""
    address = token_index.c.contributor_address
    query = (
        select(address, token_index.c.name, *VERSION_TOTALS)
        .select_from(LIVE_INDEX)
        .where(
            token_index.c.workspace == workspace,
            token_index.c.token_id == token_id,
            address.is_not(None),
            LIVE,
        )
        .group_by(address, token_index.c.name)
        .order_by(address, token_index.c.name)
    )
    return connection.execute(query).mappings().all()
