"""Totals of tokens, one row per registered model.

For askers who may read some models only: what they see is added up from those.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, or_, select

from hokusai_mlflow_plugin.db.index.live_index import LIVE_INDEX, OF_LIVE_VERSION
from hokusai_mlflow_plugin.db.schema.mlflow_tables import LIVE
from hokusai_mlflow_plugin.db.schema.tables import token_index
from hokusai_mlflow_plugin.db.tokens.token_totals import VERSION_TOTALS, of_prefix


def models_of_tokens(
    connection: Connection,
    workspace: str,
    prefix: str,
    after: tuple[str, str | None],
    limit: int,
) -> Sequence[RowMapping]:
    """Live versions counted by token and model, in that order.

    Shape: ``token_id``, ``name``, ``version_count``, ``last_registered_timestamp`` (ms).

    Args:
        connection: Where to ask.
        workspace: The workspace.
        prefix: What the token ids begin with.
        after: Token and model of the last row before; without a model, all of that token's.
        limit: How many rows at most.
    """
    token_id, name = token_index.c.token_id, token_index.c.name
    last_token, last_name = after
    follows = token_id > last_token
    if last_name is not None:
        follows = or_(follows, and_(token_id == last_token, name > last_name))
    query = (
        select(token_id, name, *VERSION_TOTALS)
        # The bound on the token alone makes the index range; of the OR no database makes one.
        .where(token_index.c.workspace == workspace, token_id >= last_token, follows)
        .where(OF_LIVE_VERSION)
        .where(*of_prefix(prefix))
        .group_by(token_id, name)
        .order_by(token_id, name)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


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
