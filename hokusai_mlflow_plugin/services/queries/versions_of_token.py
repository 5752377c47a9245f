"""The versions of a token over all models (R7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.index import token_pages
from hokusai_mlflow_plugin.db.index.token_pages import TagsByVersion
from hokusai_mlflow_plugin.db.tokens import totals_by_model
from hokusai_mlflow_plugin.domain.tokens import require_token_id
from hokusai_mlflow_plugin.services import visibility
from hokusai_mlflow_plugin.services.queries import lineage_items, pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
    VERSION,
    require_max_results,
)
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]
Position = tuple[int, str, int]

_MAX_NAMES = 1_000


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

    @cache
    def readable() -> frozenset[str] | None:
        return _readable(connection, workspace, token_id, visible)

    def fetch(start: Position | None, count: int) -> Sequence[RowMapping]:
        # Not before it is needed: most often the first rows fill the page.
        names = None if start == before else readable()
        return token_pages.versions_of_token(
            connection, workspace, token_id, start, count, names, decided=decided
        )

    rows = visibility.fill(
        fetch,
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


def _readable(
    connection: Connection, workspace: str, token_id: str, visible: Visible
) -> frozenset[str] | None:
    """The token's models that the asker may read; None where they are too many to be named.

    Of many that are hidden all versions would be read otherwise, a thousand at a time.
    """
    models = totals_by_model.models_of_token(connection, workspace, token_id)
    found = frozenset(row["name"] for row in models if row["name"] in visible)
    return found if len(found) <= _MAX_NAMES else None


def _position(row: RowMapping) -> Position:
    return row["creation_time"], row["name"], row["version"]
