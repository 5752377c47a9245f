"""The queries of lineage: versions of one model in order, and versions by their keys.

Source: R12.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Table,
    and_,
    bindparam,
    func,
    select,
    tuple_,
)

from hokusai_mlflow_plugin.db.deltaone.decision_log import DECISION_COLUMNS
from hokusai_mlflow_plugin.db.index.live_index import LIVE_INDEX, is_indexed_as
from hokusai_mlflow_plugin.db.index.model_names import own_name
from hokusai_mlflow_plugin.db.index.token_pages import (
    DECIDED_INDEX,
    LIMIT,
    TAG_COLUMNS,
    VERSION_COLUMNS,
    TagsByVersion,
    by_version,
)
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    DELETED_STAGE,
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_aliases,
)
from hokusai_mlflow_plugin.db.schema.tables import model_names, token_index
from hokusai_mlflow_plugin.domain.lineage import VersionKey


@dataclass(frozen=True)
class LiveVersion:
    """When a live version was made, and what may have had its model's name before."""

    created_ms: int
    given_up_ms: int | None
    """When the name that its model has now was last given up by a model, this one or another."""


def lineage_page(
    connection: Connection, model: ModelId, after: int, limit: int
) -> Sequence[RowMapping]:
    """Live tokenised versions of a model, oldest first, from the last one up to ``after``.

    The first row is the version that precedes the page, where there is one: its version is not
    greater than ``after``.
    """
    given = {**_model(model), "after": after, "limit": limit + 1}
    return connection.execute(_LINEAGE, given).mappings().all()


def start_of_page(connection: Connection, model: ModelId, before: int | None, count: int) -> int:
    """The version after which the last ``count`` tokenised ones begin, of those below ``before``.

    0 where there are no more than that; without ``before``, of all.
    """
    query = _BACKWARDS if before is None else _BACKWARDS_FROM
    given = {**_model(model), "before": before, "count": count}
    return connection.scalar(query, given) or 0


def aliases(connection: Connection, model: ModelId) -> Mapping[int, Sequence[str]]:
    """The aliases of a model, by the version that they name."""
    query = (
        select(registered_model_aliases.c.version, registered_model_aliases.c.alias)
        .where(
            registered_model_aliases.c.workspace == model.workspace,
            registered_model_aliases.c.name == model.name,
        )
        .order_by(registered_model_aliases.c.alias)
    )
    found: dict[int, list[str]] = {}
    for version, alias in connection.execute(query):
        found.setdefault(version, []).append(alias)
    return found


def tags_of_versions(
    connection: Connection, model: ModelId, first: int, last: int
) -> TagsByVersion:
    """All tags of the versions of a model from ``first`` to ``last``."""
    rows = connection.execute(_TAGS_OF_VERSIONS, {**_model(model), "first": first, "last": last})
    return by_version(rows)


def versions_by_key(
    connection: Connection, workspace: str, keys: Collection[VersionKey]
) -> Sequence[RowMapping]:
    """Those of the versions that are live and tokenised, with their decisions.

    ``preceding`` is the number of the tokenised version before it in its model, or None.
    """
    query = (
        select(*VERSION_COLUMNS, *DECISION_COLUMNS, _PRECEDING_EACH.label("preceding"))
        .select_from(DECIDED_INDEX)
        .where(token_index.c.workspace == workspace, _is_one_of(token_index, keys), LIVE)
        .order_by(token_index.c.name, token_index.c.version)
    )
    return connection.execute(query).mappings().all()


def tags_by_key(
    connection: Connection, workspace: str, keys: Collection[VersionKey]
) -> TagsByVersion:
    """All tags of these versions."""
    query = select(*TAG_COLUMNS).where(
        model_version_tags.c.workspace == workspace, _is_one_of(model_version_tags, keys)
    )
    return by_version(connection.execute(query))


def live_versions(
    connection: Connection, workspace: str, keys: Collection[VersionKey]
) -> Mapping[VersionKey, LiveVersion]:
    """Those of the versions that are live, tokenised or not."""
    if not keys:
        return {}
    created = func.coalesce(model_versions.c.creation_time, 0)
    # Here and not in a statement of its own: where no model gave its name up nothing else is asked.
    given_up = (
        select(func.max(model_names.c.until_time))
        .where(
            model_names.c.workspace == model_versions.c.workspace,
            model_names.c.name == model_versions.c.name,
        )
        .scalar_subquery()
    )
    rows = connection.execute(
        select(own_name(model_versions), model_versions.c.version, created, given_up).where(
            model_versions.c.workspace == workspace,
            _is_one_of(model_versions, keys),
            LIVE,
        )
    )
    return {VersionKey(name, version): LiveVersion(*times) for name, version, *times in rows}


def _is_one_of(table: Table, keys: Collection[VersionKey]) -> ColumnElement[bool]:
    wanted = sorted((key.name, key.version) for key in keys)
    return tuple_(table.c.name, table.c.version).in_(wanted)


def _model(model: ModelId) -> dict[str, Any]:
    return {"workspace": model.workspace, "model": model.name}


_OF_GIVEN_MODEL = and_(
    token_index.c.workspace == bindparam("workspace"), token_index.c.name == bindparam("model")
)
# The page begins one version early, so that its first version's parent costs no statement.
_PRECEDING = (
    select(token_index.c.version)
    .select_from(LIVE_INDEX)
    .where(_OF_GIVEN_MODEL, token_index.c.version <= bindparam("after"), LIVE)
    .order_by(token_index.c.version.desc())
    .limit(1)
    .scalar_subquery()
)
_LINEAGE = (
    select(*VERSION_COLUMNS, *DECISION_COLUMNS)
    .select_from(DECIDED_INDEX)
    .where(
        _OF_GIVEN_MODEL,
        LIVE,
        token_index.c.version >= func.coalesce(_PRECEDING, bindparam("after", type_=Integer) + 1),
    )
    .order_by(token_index.c.version)
    .limit(LIMIT)
)
_BACKWARDS = (
    select(token_index.c.version)
    .select_from(LIVE_INDEX)
    .where(_OF_GIVEN_MODEL, LIVE)
    .order_by(token_index.c.version.desc())
    .limit(1)
    .offset(bindparam("count", type_=Integer))
)
_BACKWARDS_FROM = _BACKWARDS.where(token_index.c.version < bindparam("before", type_=Integer))
# Aliases: the same tables without them would be taken for those of the query around it.
_earlier, _earlier_version = token_index.alias(), model_versions.alias()
_PRECEDING_EACH = (
    select(_earlier.c.version)
    .select_from(_earlier.join(_earlier_version, is_indexed_as(_earlier_version, _earlier)))
    .where(
        _earlier.c.workspace == token_index.c.workspace,
        _earlier.c.name == token_index.c.name,
        _earlier.c.version < token_index.c.version,
        _earlier_version.c.current_stage != DELETED_STAGE,
    )
    .order_by(_earlier.c.version.desc())
    .limit(1)
    .scalar_subquery()
)
_TAGS_OF_VERSIONS = select(*TAG_COLUMNS).where(
    model_version_tags.c.workspace == bindparam("workspace"),
    model_version_tags.c.name == bindparam("model"),
    model_version_tags.c.version.between(bindparam("first"), bindparam("last")),
)
