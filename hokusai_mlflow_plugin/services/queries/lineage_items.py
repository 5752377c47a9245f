"""Versions with their parents and ancestors, as JSON-ready dictionaries.

Source: R12.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.index import lineage_pages
from hokusai_mlflow_plugin.db.index.token_pages import TagsByVersion
from hokusai_mlflow_plugin.domain.lineage import (
    VersionKey,
    copied_from,
    named_previous,
    parent_of,
)
from hokusai_mlflow_plugin.services.queries.deltaone import decision_json
from hokusai_mlflow_plugin.services.queries.origins import Copy, origins_of
from hokusai_mlflow_plugin.services.visibility import Visible

MAX_ANCESTOR_DEPTH = 32
MAX_ANCESTORS = 1000

Json = dict[str, Any]
Row = tuple[RowMapping, VersionKey | None]
"""A version, and the tokenised version that precedes it in its model."""


def items(
    connection: Connection,
    workspace: str,
    rows: Iterable[Row],
    tags: TagsByVersion,
    visible: Visible,
) -> list[Json]:
    """Lineage items of versions.

    A parent in a model that the asker may not read is passed over as one that is gone.
    """
    keyed = [(key_of(row), row, preceding) for row, preceding in rows]
    copies = [
        Copy(key, origin, row["creation_time"] or 0)
        for key, row, _preceding in keyed
        if (origin := copied_from(row["source"]))
    ]
    previous = {key: named_previous(tags.get(key, {}), key) for key, _row, _preceding in keyed}
    named = {key for key in previous.values() if key} | {copy.source for copy in copies}
    live = lineage_pages.live_versions(connection, workspace, named)
    origins, live = origins_of(connection, workspace, copies, live)
    found = []
    for key, row, preceding in keyed:
        origin, created_ms = origins.get(key), row["creation_time"] or 0
        # What was made since then is not what was copied.
        older = frozenset(
            each
            for each in (previous[key], origin)
            if each is not None
            and each in live
            and live[each].created_ms <= created_ms
            and each.name in visible
        )
        parent = parent_of(key, tags.get(key, {}), origin, preceding, older)
        found.append(
            {
                **decided_version(row, tags, visible),
                "parent": None
                if parent is None
                else {
                    "name": parent.name,
                    "version": str(parent.version),
                    "relation": parent.relation,
                },
            }
        )
    return found


def ancestors(
    connection: Connection,
    workspace: str,
    name: str,
    descendants: Iterable[Json],
    visible: Visible,
    generations: int = MAX_ANCESTOR_DEPTH,
) -> list[Json]:
    """Items of other models reached over parents, generation by generation; cycles end.

    At most 1,000 items, the nearest ones.
    """
    seen: set[VersionKey] = set()
    found: list[Json] = []
    wanted = _parents_elsewhere(descendants, name, seen)
    for _generation in range(generations):
        # Sorted: where there are too many, the same ones are left out each time.
        nearest = sorted(wanted)[: MAX_ANCESTORS - len(found)]
        if not nearest:
            break
        # Before their parents are looked up, so that a cycle ends here.
        seen |= wanted
        generation = by_key(connection, workspace, nearest, visible)
        found.extend(generation)
        wanted = _parents_elsewhere(generation, name, seen)
    return found


def by_key(
    connection: Connection, workspace: str, keys: Collection[VersionKey], visible: Visible
) -> list[Json]:
    """Items of those of the versions that are live and tokenised, by name and number."""
    rows = lineage_pages.versions_by_key(connection, workspace, keys)
    tags = lineage_pages.tags_by_key(connection, workspace, keys)
    return items(connection, workspace, map(_with_preceding, rows), tags, visible)


def consecutive(rows: Iterable[RowMapping], preceding: VersionKey | None) -> Iterable[Row]:
    """Rows of one model in order, each with the one before it."""
    for row in rows:
        yield row, preceding
        preceding = key_of(row)


def key_of(row: RowMapping) -> VersionKey:
    """Name and number of the version that a row is of."""
    return VersionKey(row["name"], row["version"])


def _with_preceding(row: RowMapping) -> Row:
    number = row["preceding"]
    return row, None if number is None else VersionKey(row["name"], number)


def _parents_elsewhere(
    descendants: Iterable[Json], name: str, seen: set[VersionKey]
) -> set[VersionKey]:
    parents = (item["parent"] for item in descendants if item["parent"])
    keys = {VersionKey(parent["name"], int(parent["version"])) for parent in parents}
    return {key for key in keys if key.name != name} - seen


def decided_version(row: RowMapping, tags: TagsByVersion, visible: Visible) -> Json:
    """A tokenised version with the decision on it."""
    return {
        "model_version": model_version(row, tags),
        "token_id": row["token_id"],
        "benchmark_metric": row["benchmark_metric"],
        "benchmark_value": row["benchmark_value"],
        "contributor_address": row["contributor_address"],
        "decision": decision_json(row, visible),
    }


def model_version(row: RowMapping, tags: TagsByVersion) -> Json:
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
        "tags": [{"key": k, "value": v} for k, v in tags.get(key_of(row), {}).items()] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}
