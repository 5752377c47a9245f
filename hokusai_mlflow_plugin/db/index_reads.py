"""The queries of the read routes: index range scans, joined with MLflow's live versions.

The join leaves out rows that another program orphaned (R7). Pages are keyset pages: they neither
skip nor repeat a version while others are added or deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    distinct,
    func,
    or_,
    select,
    tuple_,
)

from hokusai_mlflow_plugin.db.decision_reads import DECISION_COLUMNS, with_decisions
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.mlflow_tables import (
    LIVE,
    model_version_tags,
    model_versions,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.tables import token_index
from hokusai_mlflow_plugin.domain.lineage import VersionKey

_LIVE_INDEX = token_index.join(model_versions, same_version(token_index, model_versions))
_DECIDED_INDEX = with_decisions(_LIVE_INDEX, token_index)
_COLUMNS = (
    *model_versions.c,
    token_index.c.token_id,
    token_index.c.benchmark_metric,
    token_index.c.benchmark_value,
    token_index.c.contributor_address,
)

TagsByVersion = Mapping[VersionKey, dict[str, str]]


def versions_of_token(
    connection: Connection,
    workspace: str,
    token_id: str,
    before: tuple[int, str, int] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Live versions of a token, newest first, after the one with the key ``before``.

    The order is by creation time, name and version, all descending; ``before`` is such a triple.
    """
    query = (
        select(*_COLUMNS)
        .select_from(_LIVE_INDEX)
        .where(_of_token(workspace, token_id), LIVE)
        .order_by(*(column.desc() for column in _position()))
        .limit(limit)
    )
    if before is not None:
        query = query.where(_at_or_before(before, inclusive=False))
    return connection.execute(query).mappings().all()


def tags_of_token_page(
    connection: Connection,
    workspace: str,
    token_id: str,
    page: Sequence[RowMapping],
    names: Collection[str] | None = None,
) -> TagsByVersion:
    """All tags of the versions of a page, by the key range that the page spans.

    ``names``: the page's models, where rows of others were left out of it.
    """
    if not page:
        return {}
    newest, oldest = page[0], page[-1]
    of_page = () if names is None else (token_index.c.name.in_(sorted(names)),)
    rows = connection.execute(
        select(*_TAG_COLUMNS)
        .select_from(
            token_index.join(model_version_tags, same_version(token_index, model_version_tags))
        )
        .where(
            _of_token(workspace, token_id),
            _at_or_before(_key(newest), inclusive=True),
            _at_or_after(_key(oldest)),
            *of_page,
        )
    )
    return _by_version(rows)


def lineage_page(
    connection: Connection, model: ModelId, after: int, limit: int
) -> Sequence[RowMapping]:
    """Live tokenised versions of a model, oldest first, from the last one up to ``after``.

    The first row is the version that precedes the page, where there is one: its version is not
    greater than ``after``.
    """
    preceding = (
        select(func.max(token_index.c.version))
        .select_from(_LIVE_INDEX)
        .where(_of_model(model), token_index.c.version <= after, LIVE)
        .scalar_subquery()
    )
    return (
        connection.execute(
            select(*_COLUMNS, *DECISION_COLUMNS)
            .select_from(_DECIDED_INDEX)
            .where(
                _of_model(model), LIVE, token_index.c.version >= func.coalesce(preceding, after + 1)
            )
            .order_by(token_index.c.version)
            .limit(limit + 1)
        )
        .mappings()
        .all()
    )


def tags_of_versions(
    connection: Connection, model: ModelId, first: int, last: int
) -> TagsByVersion:
    """All tags of the versions of a model from ``first`` to ``last``."""
    tags = model_version_tags
    rows = connection.execute(
        select(*_TAG_COLUMNS).where(
            tags.c.workspace == model.workspace,
            tags.c.name == model.name,
            tags.c.version.between(first, last),
        )
    )
    return _by_version(rows)


def live_versions(
    connection: Connection, workspace: str, keys: Collection[VersionKey]
) -> frozenset[VersionKey]:
    """Those of the versions that exist and are not deleted, tokenised or not."""
    if not keys:
        return frozenset()
    wanted = sorted((key.name, key.version) for key in keys)
    rows = connection.execute(
        select(model_versions.c.name, model_versions.c.version).where(
            model_versions.c.workspace == workspace,
            tuple_(model_versions.c.name, model_versions.c.version).in_(wanted),
            LIVE,
        )
    )
    return frozenset(VersionKey(name, version) for name, version in rows)


def decided_version(
    connection: Connection, model: ModelId, version: int | None
) -> RowMapping | None:
    """A live tokenised version of a model (by default its latest) and its decision, or None."""
    query = (
        select(*_COLUMNS, *DECISION_COLUMNS)
        .select_from(_DECIDED_INDEX)
        .where(_of_model(model), LIVE)
        .order_by(token_index.c.version.desc())
        .limit(1)
    )
    if version is not None:
        query = query.where(token_index.c.version == version)
    return connection.execute(query).mappings().one_or_none()


def stored_name(connection: Connection, model: ModelId) -> str | None:
    """The name of a registered model as it is stored, or None; MySQL finds it in any case."""
    query = select(registered_models.c.name).where(
        registered_models.c.workspace == model.workspace, registered_models.c.name == model.name
    )
    return connection.scalars(query).first()


def tokens(
    connection: Connection, workspace: str, prefix: str, after: str, limit: int
) -> Sequence[RowMapping]:
    """One row per token with live versions, in the order of token ids, after ``after``.

    Shape: ``token_id``, ``model_count``, ``version_count``, ``last_registered_timestamp`` (ms).
    """
    query = (
        select(
            token_index.c.token_id,
            func.count(distinct(token_index.c.name)).label("model_count"),
            func.count().label("version_count"),
            func.max(token_index.c.creation_time).label("last_registered_timestamp"),
        )
        .select_from(_LIVE_INDEX)
        .where(
            token_index.c.workspace == workspace,
            token_index.c.token_id > after,
            *of_prefix(prefix),
            LIVE,
        )
        .group_by(token_index.c.token_id)
        .order_by(token_index.c.token_id)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def of_prefix(prefix: str) -> tuple[ColumnElement[bool], ...]:
    """The token ids that begin with a prefix, as a range of the index."""
    if not prefix:
        return ()
    token_id = token_index.c.token_id
    return token_id >= prefix, token_id < prefix + "["  # sorts after any A-Z, 0-9, -


def token(connection: Connection, workspace: str, token_id: str) -> RowMapping | None:
    """The row of :func:`tokens` for one token, or None."""
    query = (
        select(
            token_index.c.token_id,
            func.count(distinct(token_index.c.name)).label("model_count"),
            func.count().label("version_count"),
            func.max(token_index.c.creation_time).label("last_registered_timestamp"),
        )
        .select_from(_LIVE_INDEX)
        .where(_of_token(workspace, token_id), LIVE)
        .group_by(token_index.c.token_id)
    )
    return connection.execute(query).mappings().one_or_none()


def contributors(connection: Connection, workspace: str, token_id: str) -> Sequence[RowMapping]:
    """Payable contributors of a token's live versions, in the order of their addresses."""
    address = token_index.c.contributor_address
    query = (
        select(
            address,
            func.count().label("version_count"),
            func.max(token_index.c.creation_time).label("last_registered_timestamp"),
        )
        .select_from(_LIVE_INDEX)
        .where(_of_token(workspace, token_id), address.is_not(None), LIVE)
        .group_by(address)
        .order_by(address)
    )
    return connection.execute(query).mappings().all()


_TAG_COLUMNS = (
    model_version_tags.c.name,
    model_version_tags.c.version,
    model_version_tags.c.key,
    model_version_tags.c.value,
)


def _by_version(rows: Any) -> TagsByVersion:
    found: dict[VersionKey, dict[str, str]] = {}
    for name, version, key, value in rows:
        found.setdefault(VersionKey(name, version), {})[key] = value or ""
    return found


def _of_token(workspace: str, token_id: str) -> ColumnElement[bool]:
    return and_(token_index.c.workspace == workspace, token_index.c.token_id == token_id)


def _of_model(model: ModelId) -> ColumnElement[bool]:
    return and_(token_index.c.workspace == model.workspace, token_index.c.name == model.name)


def _position() -> tuple[ColumnElement[Any], ...]:
    return token_index.c.creation_time, token_index.c.name, token_index.c.version


def _key(row: RowMapping) -> tuple[int, str, int]:
    return row["creation_time"], row["name"], row["version"]


def _at_or_before(key: tuple[int, str, int], *, inclusive: bool) -> ColumnElement[bool]:
    """Whether a row's position is before (or at) a key.

    Spelt out, with the first column bounded on its own: MySQL and SQL Server do not turn a
    comparison of tuples into an index range.
    """
    time, name, version = _position()
    last = version <= key[2] if inclusive else version < key[2]
    return and_(
        time <= key[0],
        or_(time < key[0], and_(time == key[0], or_(name < key[1], and_(name == key[1], last)))),
    )


def _at_or_after(key: tuple[int, str, int]) -> ColumnElement[bool]:
    time, name, version = _position()
    same_time = and_(time == key[0], or_(name > key[1], and_(name == key[1], version >= key[2])))
    return and_(time >= key[0], or_(time > key[0], same_time))
