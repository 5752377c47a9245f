"""Questions about tokens and lineage, answered as JSON-ready dictionaries.

The REST routes and the in-process client give the same answers because both come from here.
Source: design section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db import index_reads
from hokusai_mlflow_plugin.db.index_reads import TagsByVersion
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    TokenNotFound,
    Violation,
)
from hokusai_mlflow_plugin.domain.lineage import (
    VersionKey,
    copied_from,
    named_previous,
    parent_of,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import Context, check_registration
from hokusai_mlflow_plugin.domain.tokens import check_token_id, is_token_prefix, shown
from hokusai_mlflow_plugin.services import pages, token_totals, visibility
from hokusai_mlflow_plugin.services.deltaone import decision_json
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

DEFAULT_MAX_RESULTS = 100
MAX_RESULTS = 1000
MAX_ANCESTOR_DEPTH = 32

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
    position = pages.decode(page_token, question, (int, str, int))
    before = None if position is None else (int(position[0]), str(position[1]), int(position[2]))
    rows = visibility.fill(
        lambda start, count: index_reads.versions_of_token(
            connection, workspace, token_id, start, count
        ),
        _position,
        before,
        max_results + 1,
        lambda row: row["name"] in visible,
    )
    page = rows[:max_results]
    names = None if visible.all else {row["name"] for row in page}
    tags = index_reads.tags_of_token_page(connection, workspace, token_id, page, names)
    answer: Json = {"model_versions": [_model_version(row, tags) for row in page]}
    if len(rows) > max_results:
        answer["next_page_token"] = pages.encode(question, _position(page[-1]))
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
    first, at most 32 generations.

    Raises:
        InvalidRequest: A parameter cannot be used.
        ModelNotFound: No registered model has this name.
    """
    _require_max_results(max_results)
    model = ModelId(workspace, name)
    question = ("lineage", name)
    position = pages.decode(page_token, question, (int,))
    after = 0 if position is None else int(position[0])
    rows = index_reads.lineage_page(connection, model, after, max_results + 1)
    stored = rows[0]["name"] if rows else index_reads.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    if rows:
        # MySQL finds a name in any case, and with blanks at its end.
        if rows[0]["name"].casefold() != name.casefold():
            raise ModelNotFound(name)
        name = rows[0]["name"]
    preceding = _key(rows[0]) if rows and rows[0]["version"] <= after else None
    following = rows[1:] if preceding else rows
    page = following[:max_results]
    tags: TagsByVersion = {}
    if page:
        first, last = page[0]["version"], page[-1]["version"]
        tags = index_reads.tags_of_versions(connection, model, first, last)
    items = _items(connection, workspace, page, tags, preceding, visible)
    answer: Json = {"lineage": items}
    if len(following) > max_results:
        answer["next_page_token"] = pages.encode(question, (page[-1]["version"],))
    if include_ancestors:
        answer["ancestors"] = _ancestors(connection, workspace, name, items, visible)
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
    position = pages.decode(page_token, question, (str,))
    after = "" if position is None else str(position[0])
    rows = token_totals.tokens(connection, workspace, prefix, after, max_results + 1, visible)
    page = rows[:max_results]
    token_totals.add_series(connection, workspace, page, visible)
    answer: Json = {"tokens": page}
    if len(rows) > max_results:
        answer["next_page_token"] = pages.encode(question, (page[-1]["token_id"],))
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
    total = token_totals.token(connection, workspace, token_id, visible)
    if total is None:
        raise TokenNotFound(token_id)
    token_totals.add_series(connection, workspace, [total], visible)
    people = token_totals.contributors(connection, workspace, token_id, visible)
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


def _key(row: RowMapping) -> VersionKey:
    return VersionKey(row["name"], row["version"])


def _items(
    connection: Connection,
    workspace: str,
    rows: Iterable[RowMapping],
    tags: TagsByVersion,
    preceding: VersionKey | None,
    visible: Visible,
) -> list[Json]:
    """Lineage items of consecutive versions of one model.

    A parent in a model that the asker may not read is passed over as one that is gone.
    """
    rows = list(rows)
    named = {
        key
        for row in rows
        for key in (
            named_previous(tags.get(_key(row), {}), _key(row)),
            copied_from(row["source"]),
        )
        if key is not None and key.name in visible
    }
    live = index_reads.live_versions(connection, workspace, named)
    items = []
    for row in rows:
        key = _key(row)
        parent = parent_of(key, tags.get(key, {}), row["source"], preceding, live)
        items.append(
            {
                "model_version": _model_version(row, tags),
                "token_id": row["token_id"],
                "benchmark_metric": row["benchmark_metric"],
                "benchmark_value": row["benchmark_value"],
                "contributor_address": row["contributor_address"],
                "decision": decision_json(row, visible),
                "parent": None
                if parent is None
                else {
                    "name": parent.name,
                    "version": str(parent.version),
                    "relation": parent.relation,
                },
            }
        )
        preceding = key
    return items


def _ancestors(
    connection: Connection, workspace: str, name: str, items: Iterable[Json], visible: Visible
) -> list[Json]:
    """Items of other models reached over parents, generation by generation; cycles end."""
    seen: set[VersionKey] = set()
    found: list[Json] = []
    wanted = _parents_elsewhere(items, name, seen)
    for _generation in range(MAX_ANCESTOR_DEPTH):
        if not wanted:
            break
        seen |= wanted
        generation: list[Json] = []
        for key in sorted(wanted):
            generation.extend(_item_with_parent(connection, workspace, key, visible))
        found.extend(generation)
        wanted = _parents_elsewhere(generation, name, seen)
    return found


def _item_with_parent(
    connection: Connection, workspace: str, key: VersionKey, visible: Visible
) -> list[Json]:
    rows = index_reads.lineage_page(connection, ModelId(workspace, key.name), key.version - 1, 1)
    preceding = _key(rows[0]) if rows and rows[0]["version"] < key.version else None
    own = [row for row in rows if row["version"] == key.version]
    model = ModelId(workspace, key.name)
    tags = index_reads.tags_of_versions(connection, model, key.version, key.version)
    return _items(connection, workspace, own, tags, preceding, visible)


def _parents_elsewhere(items: Iterable[Json], name: str, seen: set[VersionKey]) -> set[VersionKey]:
    parents = (item["parent"] for item in items if item["parent"])
    keys = {VersionKey(parent["name"], int(parent["version"])) for parent in parents}
    return {key for key in keys if key.name != name} - seen


def _model_version(row: RowMapping, tags: TagsByVersion) -> Json:
    """A version in the JSON of MLflow's own registry API, which leaves out what is not set."""
    fields = {
        "name": row["name"],
        "version": str(row["version"]),
        "creation_timestamp": row["creation_time"],
        "last_updated_timestamp": row["last_updated_time"],
        "user_id": row["user_id"],
        "current_stage": row["current_stage"],
        "description": row["description"],
        "source": row["source"],
        "run_id": row["run_id"],
        "status": row["status"],
        "status_message": row["status_message"] or None,
        "run_link": row["run_link"],
        "tags": [{"key": k, "value": v} for k, v in tags.get(_key(row), {}).items()] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}
