"""Questions about tokens and lineage, answered as JSON-ready dictionaries.

The REST routes and the in-process client give the same answers because both come from here.
Source: design section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.index import lineage_pages, token_pages
from hokusai_mlflow_plugin.db.index.token_pages import TagsByVersion
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    TokenNotFound,
    Violation,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import Context, check_registration
from hokusai_mlflow_plugin.domain.tokens import check_token_id, is_token_prefix, shown
from hokusai_mlflow_plugin.services.queries import lineage_items, pagination, visibility
from hokusai_mlflow_plugin.services.queries.visibility import EVERYTHING, Visible
from hokusai_mlflow_plugin.services.tokens import token_summaries

DEFAULT_MAX_RESULTS = 100
MAX_RESULTS = 1000

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
    _require_token_id(token_id)
    _require_max_results(max_results)
    question = ("list-by-token", token_id)
    position = pagination.decode(page_token, question, (int, str, int))
    before = None if position is None else (int(position[0]), str(position[1]), int(position[2]))
    rows = visibility.fill(
        lambda start, count: token_pages.versions_of_token(
            connection, workspace, token_id, start, count
        ),
        _position,
        before,
        max_results + 1,
        lambda row: row["name"] in visible,
    )
    page = rows[:max_results]
    names = None if visible.all else {row["name"] for row in page}
    tags = token_pages.tags_of_token_page(connection, workspace, token_id, page, names)
    answer: Json = {"model_versions": [lineage_items.model_version(row, tags) for row in page]}
    if len(rows) > max_results:
        answer["next_page_token"] = pagination.encode(question, _position(page[-1]))
    return answer


def lineage(
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
    _require_max_results(max_results)
    model = ModelId(workspace, name)
    question = ("lineage", name)
    position = pagination.decode(page_token, question, (int,))
    after = 0 if position is None else int(position[0])
    rows = lineage_pages.lineage_page(connection, model, after, max_results + 1)
    stored = rows[0]["name"] if rows else token_pages.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    if rows:
        # MySQL finds a name in any case, and with blanks at its end.
        if rows[0]["name"].casefold() != name.casefold():
            raise ModelNotFound(name)
        name = rows[0]["name"]
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
        answer["next_page_token"] = pagination.encode(question, (page[-1]["version"],))
    if include_ancestors:
        answer["ancestors"] = lineage_items.ancestors(connection, workspace, name, items, visible)
    return answer


def list_tokens(
    connection: Connection,
    workspace: str,
    prefix: str = "",
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Tokens that have versions, in the order of their ids.

    Shape: ``tokens``: ``token_id``, ``model_count``, ``version_count``,
    ``last_registered_timestamp`` (ms), ``series`` with their heads; ``next_page_token`` where
    there are more.

    Raises:
        InvalidRequest: A parameter cannot be used.
    """
    _require_max_results(max_results)
    if not is_token_prefix(prefix):
        raise InvalidRequest(
            f"Parameter prefix is {shown(prefix)}: no token id begins so. Use upper-case ASCII "
            "letters, digits and hyphens."
        )
    question = ("tokens", prefix)
    position = pagination.decode(page_token, question, (str,))
    after = "" if position is None else str(position[0])
    rows = token_summaries.tokens(connection, workspace, prefix, after, max_results + 1, visible)
    page = rows[:max_results]
    token_summaries.add_series(connection, workspace, page, visible)
    answer: Json = {"tokens": page}
    if len(rows) > max_results:
        answer["next_page_token"] = pagination.encode(question, (page[-1]["token_id"],))
    return answer


def get_token(
    connection: Connection, workspace: str, token_id: str, visible: Visible = EVERYTHING
) -> Json:
    """One token: the fields of :func:`list_tokens` and its payable ``contributors``.

    Raises:
        InvalidRequest: The token id is malformed.
        TokenNotFound: No live version that the asker may read carries it.
    """
    _require_token_id(token_id)
    total = token_summaries.token(connection, workspace, token_id, visible)
    if total is None:
        raise TokenNotFound(token_id)
    token_summaries.add_series(connection, workspace, [total], visible)
    people = token_summaries.contributors(connection, workspace, token_id, visible)
    return {"token": {**total, "contributors": people}}


def validate_tags(tags: Mapping[str, str], metrics: Catalogue) -> Json:
    """What a registration with these tags would be refused for; writes nothing.

    Shape: ``valid``, and ``violations``: ``key``, ``code``, ``message``.

    Args:
        tags: The tags of a version to be registered.
        metrics: The metric catalogue, for bounds and directions.
    """
    violations = check_registration(tags, Context(catalogue=metrics))
    return {"valid": not violations, "violations": [_violation(each) for each in violations]}


def _violation(violation: Violation) -> Json:
    return {"key": violation.key, "code": violation.code, "message": violation.message}


def _require_token_id(token_id: str) -> None:
    if violation := check_token_id(token_id):
        raise InvalidRequest(violation.message.replace(" in tag hokusai_token_id", ""))


def _require_max_results(max_results: int) -> None:
    if not 1 <= max_results <= MAX_RESULTS:
        raise InvalidRequest(
            f"Parameter max_results is {max_results}; use a whole number from 1 to {MAX_RESULTS}."
        )


def _position(row: RowMapping) -> tuple[int, str, int]:
    return row["creation_time"], row["name"], row["version"]
