"""The queries of the read routes: index range scans, joined with MLflow's live versions.

Pages are keyset pages: they neither skip nor repeat a version while others are added or deleted.

Statements are built once, at import: to build one anew for each call took longer than the database
needs to answer it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    and_,
    bindparam,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import FromClause

from hokusai_mlflow_plugin.db.deltaone.decision_log import DECISION_COLUMNS, with_decisions
from hokusai_mlflow_plugin.db.index.live_index import LIVE_INDEX, OF_LIVE_VERSION
from hokusai_mlflow_plugin.db.index.model_names import own_name
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    LIVE,
    model_version_tags,
    model_versions,
    registered_models,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, token_index
from hokusai_mlflow_plugin.domain.lineage import VersionKey

DECIDED_INDEX = with_decisions(LIVE_INDEX, token_index)
VERSION_COLUMNS = (
    own_name(model_versions),
    *(column for column in model_versions.c if column.name != "name"),
    token_index.c.token_id,
    token_index.c.benchmark_metric,
    token_index.c.benchmark_value,
    token_index.c.contributor_address,
)

TAG_COLUMNS = (
    own_name(model_version_tags),
    model_version_tags.c.version,
    model_version_tags.c.key,
    model_version_tags.c.value,
)
LIMIT: Any = bindparam("limit", type_=Integer)
MAX_TOKENS = 25
"""Tokens that :func:`latest_of_tokens` takes at once."""
LATEST = 24
"""Versions of each that it reads."""
_PLACES = tuple(f"token_{number}" for number in range(MAX_TOKENS))

TagsByVersion = Mapping[VersionKey, dict[str, str]]


def versions_of_token(
    connection: Connection,
    workspace: str,
    token_id: str,
    before: tuple[int, str, int] | None,
    limit: int,
    names: Collection[str] | None = None,
    *,
    decided: bool = False,
) -> Sequence[RowMapping]:
    """Live versions of a token, newest first, after the one with the key ``before``.

    The order is by creation time, name and version, all descending; ``before`` is such a triple.
    With ``decided`` the decision on each is in its row. ``names``: of these models alone.
    """
    first, after = _DECIDED_VERSIONS_OF_TOKEN if decided else _VERSIONS_OF_TOKEN
    given = {"workspace": workspace, "token_id": token_id, "limit": limit}
    query = first
    if before is not None:
        given |= _named("newest", before)
        query = after
    if names is not None:
        query = query.where(token_index.c.name.in_(sorted(names)))
    return connection.execute(query, given).mappings().all()


def latest_of_tokens(
    connection: Connection, workspace: str, token_ids: Sequence[str]
) -> Sequence[RowMapping]:
    """Values of the latest versions of each token, ``LATEST`` of each at most, in no order.

    Shape: ``token_id``, ``name``, ``version``, ``benchmark_metric``, ``benchmark_value``,
    ``creation_time`` (ms), ``outcome`` and ``baseline_value`` of the decision, or None.

    Args:
        connection: Where to ask.
        workspace: The workspace.
        token_ids: ``MAX_TOKENS`` at most.
    """
    given = dict.fromkeys(_PLACES, "")  # no token's id: a place that is not used finds nothing
    given |= dict(zip(_PLACES, token_ids, strict=False))
    parameters = {"workspace": workspace, "latest": LATEST, **given}
    return connection.execute(_LATEST_OF_TOKENS, parameters).mappings().all()


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
    given = {
        "workspace": workspace,
        "token_id": token_id,
        **_named("newest", _key(page[0])),
        **_named("oldest", _key(page[-1])),
    }
    query = _TAGS_OF_TOKEN_PAGE
    if names is not None:
        query = query.where(token_index.c.name.in_(sorted(names)))
    rows = connection.execute(query, given)
    return by_version(rows)


def decided_version(
    connection: Connection, model: ModelId, version: int | None
) -> RowMapping | None:
    """A live tokenised version of a model (by default its latest) and its decision, or None."""
    query = (
        select(*VERSION_COLUMNS, *DECISION_COLUMNS)
        .select_from(DECIDED_INDEX)
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


def by_version(rows: Any) -> TagsByVersion:
    """The tags in rows of ``TAG_COLUMNS``, by the version that they are of."""
    found: dict[VersionKey, dict[str, str]] = {}
    # All at once: asked for one by one, the rows took longer than to be read.
    for name, version, key, value in rows.all():
        found.setdefault(VersionKey(name, version), {})[key] = value or ""
    return found


def _of_model(model: ModelId) -> ColumnElement[bool]:
    return and_(token_index.c.workspace == model.workspace, token_index.c.name == model.name)


def _position() -> tuple[ColumnElement[Any], ...]:
    return token_index.c.creation_time, token_index.c.name, token_index.c.version


def _key(row: RowMapping) -> tuple[int, str, int]:
    return row["creation_time"], row["name"], row["version"]


def _named(end: str, key: tuple[int, str, int]) -> dict[str, Any]:
    """The parameters of :func:`_bound`."""
    return {f"{end}_time": key[0], f"{end}_name": key[1], f"{end}_version": key[2]}


def _bound(end: str) -> tuple[Any, Any, Any]:
    """The key at one end of a range, to be given when the statement is executed."""
    return bindparam(f"{end}_time"), bindparam(f"{end}_name"), bindparam(f"{end}_version")


def _at_or_before(key: tuple[Any, Any, Any], *, inclusive: bool) -> ColumnElement[bool]:
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


def _at_or_after(key: tuple[Any, Any, Any]) -> ColumnElement[bool]:
    time, name, version = _position()
    same_time = and_(time == key[0], or_(name > key[1], and_(name == key[1], version >= key[2])))
    return and_(time >= key[0], or_(time > key[0], same_time))


_OF_GIVEN_TOKEN = and_(
    token_index.c.workspace == bindparam("workspace"),
    token_index.c.token_id == bindparam("token_id"),
)


def _newest_first(columns: Sequence[Any], source: FromClause) -> tuple[Select[Any], Select[Any]]:
    """The statements of the first page, and of one after a position."""
    first = (
        select(*columns)
        .select_from(source)
        .where(_OF_GIVEN_TOKEN, LIVE)
        .order_by(*(column.desc() for column in _position()))
        .limit(LIMIT)
    )
    return first, first.where(_at_or_before(_bound("newest"), inclusive=False))


_VERSIONS_OF_TOKEN = _newest_first(VERSION_COLUMNS, LIVE_INDEX)
_DECIDED_VERSIONS_OF_TOKEN = _newest_first((*VERSION_COLUMNS, *DECISION_COLUMNS), DECIDED_INDEX)


def _latest_of(place: str) -> Select[Any]:
    latest = (
        select(
            token_index.c.token_id,
            token_index.c.name,
            token_index.c.version,
            token_index.c.benchmark_metric,
            token_index.c.benchmark_value,
            token_index.c.creation_time,
            decisions.c.outcome,
            decisions.c.baseline_value,
        )
        .select_from(
            token_index.outerjoin(
                decisions,
                and_(
                    decisions.c.workspace == token_index.c.workspace,
                    decisions.c.decision_id == token_index.c.decision_id,
                ),
            )
        )
        .where(
            token_index.c.workspace == bindparam("workspace"),
            token_index.c.token_id == bindparam(place, type_=token_index.c.token_id.type),
            OF_LIVE_VERSION,
        )
        .order_by(*(column.desc() for column in _position()))
        .limit(bindparam("latest", type_=Integer))
    )
    return select(latest.subquery())


# A range of the index for each token, of which the database reads LATEST rows. One range over all
# of them, cut by a window function, would read every version of every token.
_LATEST_OF_TOKENS = union_all(*map(_latest_of, _PLACES))
_TAGS_OF_TOKEN_PAGE = (
    select(*TAG_COLUMNS)
    .select_from(
        token_index.join(model_version_tags, same_version(token_index, model_version_tags))
    )
    .where(
        _OF_GIVEN_TOKEN,
        _at_or_before(_bound("newest"), inclusive=True),
        _at_or_after(_bound("oldest")),
    )
)
