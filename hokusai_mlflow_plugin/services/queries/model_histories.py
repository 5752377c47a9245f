"""A model's history and one version of it, for pages that show them whole.

Made of the routes' own queries, so that both show the same to the same asker.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import lineage_pages
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.lineage import VersionKey
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.services.queries import lineage_items
from hokusai_mlflow_plugin.services.queries.deltaone import detect
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage, page_after
from hokusai_mlflow_plugin.services.queries.pagination import VERSION, require_in
from hokusai_mlflow_plugin.services.tokens import token_summaries
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

VERSIONS_PER_PAGE = 100
_GENERATIONS = 2
"""How far parents are followed into other models: each has a page of its own to go on from."""


def model_with_history(
    connection: Connection,
    workspace: str,
    name: str,
    before: int | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """The end of a model's lineage, with ancestors, aliases and the series that it counts in.

    Shape: the answer of ``registered-models/lineage``; ``name`` as it is stored; ``aliases`` by
    version number; ``tokens``: ``token_id`` and ``series`` as ``tokens/list`` has them;
    ``is_first``: whether no older version was left out.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        name: Name of the registered model.
        before: Only versions below this number; by default the newest ones.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: A parameter cannot be used.
        ModelNotFound: No registered model has this name.
    """
    if before is not None:
        require_in(VERSION, "before", before)
    model = ModelId(workspace, name)
    start = lineage_pages.start_of_page(connection, model, before, VERSIONS_PER_PAGE)
    answer = get_lineage(
        connection,
        workspace,
        name,
        VERSIONS_PER_PAGE,
        page_after(name, start),
        visible=visible,
    )
    # A version that was registered meanwhile is not below the number that was asked for.
    items = [
        item
        for item in answer["lineage"]
        if before is None or int(item["model_version"]["version"]) < before
    ]
    tokens = [{"token_id": token_id} for token_id in sorted({item["token_id"] for item in items})]
    token_summaries.add_series(connection, workspace, tokens, visible)
    stored = items[0]["model_version"]["name"] if items else name
    return {
        "name": stored,
        "lineage": items,
        "ancestors": lineage_items.ancestors(
            connection, workspace, stored, items, visible, _GENERATIONS
        ),
        "aliases": lineage_pages.aliases(connection, model),
        "tokens": tokens,
        "is_first": start == 0,
    }


def version_with_history(
    connection: Connection,
    workspace: str,
    name: str,
    version: int,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
    metrics: Catalogue = BUILT_IN,
) -> Json:
    """The answer of ``deltaone/detect`` on a version, and the version itself.

    Shape: that answer, and ``item`` as lineage has it; ``aliases`` of the version.

    Raises:
        InvalidRequest: The version is not a live tokenised version of the model, or a parameter
            cannot be used.
        ModelNotFound: No registered model has this name.
    """
    found = detect(
        connection,
        workspace,
        name,
        version,
        VERSIONS_PER_PAGE,
        page_token,
        visible=visible,
        metrics=metrics,
    )
    key = VersionKey(found["name"], version)
    (item,) = lineage_items.by_key(connection, workspace, [key], visible)
    aliases = lineage_pages.aliases(connection, ModelId(workspace, found["name"]))
    return {**found, "item": item, "aliases": aliases.get(version, ())}
