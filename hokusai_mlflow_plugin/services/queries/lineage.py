"""The improvement history of a model (R12)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import lineage_pages, token_pages
from hokusai_mlflow_plugin.db.index.token_pages import TagsByVersion
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import (
    ModelNotFound,
)
from hokusai_mlflow_plugin.services.queries import lineage_items, pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    VERSION,
    require_max_results,
)
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


def get_lineage(
    connection: Connection,
    workspace: str,
    name: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    include_ancestors: bool = False,
    visible: Visible = EVERYTHING,
) -> Json:
    """Tokenised versions of a model, oldest first, each with its parent (R12).

    Shape: ``lineage``, ``next_page_token`` where there are more, and with ``include_ancestors``
    also ``ancestors``: the tokenised versions of other models that these descend from, nearest
    first, at most 32 generations and 1,000 versions.

    Raises:
        InvalidRequest: A parameter cannot be used.
        ModelNotFound: No registered model has this name.
    """
    require_max_results(max_results)
    model = ModelId(workspace, name)
    query = _query(name)
    position = pagination.decode(page_token, query, (VERSION,))
    after = 0 if position is None else int(position[0])
    # One more than asked for: whether it comes tells if there is a next page, without counting.
    rows = lineage_pages.lineage_page(connection, model, after, max_results + 1)
    stored = rows[0]["name"] if rows else token_pages.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    name = stored  # MySQL finds a name in any case, and with blanks at its end
    preceding = lineage_items.key_of(rows[0]) if rows and rows[0]["version"] <= after else None
    following = rows[1:] if preceding else rows
    page = following[:max_results]
    tags: TagsByVersion = {}
    if page:
        first, last = page[0]["version"], page[-1]["version"]
        tags = lineage_pages.tags_of_versions(connection, model, first, last)
    rows_of_page = lineage_items.consecutive(page, preceding)
    items = lineage_items.items(connection, workspace, rows_of_page, tags, visible)
    answer: Json = {"lineage": items}
    if len(following) > max_results:
        answer["next_page_token"] = pagination.encode(query, (page[-1]["version"],))
    if include_ancestors:
        answer["ancestors"] = lineage_items.ancestors(connection, workspace, name, items, visible)
    return answer


def page_after(name: str, version: int) -> str:
    """The page token with which :func:`get_lineage` begins after a version of a model."""
    return pagination.encode(_query(name), (version,))


def _query(name: str) -> tuple[str, str]:
    return "lineage", name
