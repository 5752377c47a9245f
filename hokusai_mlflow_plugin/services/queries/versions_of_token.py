"""The versions of a token over all models (R7)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.index import token_pages
from hokusai_mlflow_plugin.db.index.token_pages import TagsByVersion
from hokusai_mlflow_plugin.services import visibility
from hokusai_mlflow_plugin.services.queries import lineage_items, pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
    VERSION,
    require_max_results,
)
from hokusai_mlflow_plugin.services.queries.tokens import require_token_id
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


def list_by_token(
    connection: Connection,
    workspace: str,
    token_id: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Versions of a token, newest first; an unknown token has none.

    Shape: ``model_versions`` as MLflow's search returns them, and ``next_page_token`` where there
    are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    page, tags, more = _read_page(
        connection, workspace, token_id, max_results, page_token, visible, decided=False
    )
    return {"model_versions": [lineage_items.model_version(row, tags) for row in page], **more}


def decided_by_token(
    connection: Connection,
    workspace: str,
    token_id: str,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """The same page with what was decided on each version.

    Shape: ``versions`` as lineage has them, but for their parents; ``next_page_token`` where there
    are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    page, tags, more = _read_page(
        connection, workspace, token_id, max_results, page_token, visible, decided=True
    )
    return {"versions": [lineage_items.decided_version(row, tags, visible) for row in page], **more}


def _read_page(
    connection: Connection,
    workspace: str,
    token_id: str,
    max_results: int,
    page_token: str | None,
    visible: Visible,
    *,
    decided: bool,
) -> tuple[list[RowMapping], TagsByVersion, Json]:
    """The rows of a page, their tags, and the field that says where it goes on."""
    require_token_id(token_id)
    require_max_results(max_results)
    query = ("list-by-token", token_id)
    position = pagination.decode(page_token, query, (MILLISECONDS, str, VERSION))
    before = None if position is None else (int(position[0]), str(position[1]), int(position[2]))
    rows = visibility.fill(
        lambda start, count: token_pages.versions_of_token(
            connection, workspace, token_id, start, count, decided=decided
        ),
        _position,
        before,
        max_results + 1,
        lambda row: row["name"] in visible,
    )
    page = rows[:max_results]
    # Between the rows of the page lie those of models that the asker may not read, and their tags.
    names = None if visible.all else {row["name"] for row in page}
    tags = token_pages.tags_of_token_page(connection, workspace, token_id, page, names)
    is_last = len(rows) <= max_results
    more = {} if is_last else {"next_page_token": pagination.encode(query, _position(page[-1]))}
    return page, tags, more


def _position(row: RowMapping) -> tuple[int, str, int]:
    return row["creation_time"], row["name"], row["version"]
