"""The heads of series: read, locked and moved."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, select

from hokusai_mlflow_plugin.db.keys import ModelId, SeriesId, of_series
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    registered_model_tags,
    registered_models,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, series, token_publishers, tokens
from hokusai_mlflow_plugin.db.upserts import insert_if_absent
from hokusai_mlflow_plugin.domain.errors import DamagedSeries
from hokusai_mlflow_plugin.domain.ownership import Ownership
from hokusai_mlflow_plugin.domain.tag_faults import PROMPT_TAG
from hokusai_mlflow_plugin.domain.tags import is_prompt
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG


@dataclass(frozen=True)
class SeriesHead:
    """The head of a series as the database has it."""

    direction: str
    value: str
    decision_id: str
    name: str
    version: int
    creation_time_ms: int
    """That of the version: it tells it from an earlier one of the same name and number."""
    falls: int = 0
    """How often corrections have lowered it (R19)."""


@dataclass(frozen=True)
class HeadElsewhere:
    """The head of a series of the same token and metric, in any workspace."""

    workspace: str
    direction: str
    value: str
    decision_id: str


@dataclass(frozen=True)
class Surroundings:
    """What a version is judged by, besides its own tags."""

    model_token: str | None
    head: SeriesHead | None
    owner: Ownership | None = None
    """Who has the token; None where nobody has it yet."""


def read_surroundings(
    connection: Connection, model: ModelId, key: SeriesId, user: str | None = None
) -> Surroundings:
    """The token of a version's model, its owner and the head of its series, in one statement.

    Args:
        connection: The write's connection.
        model: The version's model.
        key: Its series.
        user: Who is asked about whether he may put the token on versions.

    Raises:
        DamagedSeries: The decision that set the head is gone.
    """
    given = {
        "workspace": model.workspace,
        "model": model.name,
        "token_id": key.token_id,
        "benchmark_metric": key.benchmark_metric,
        "user": user,
    }
    row = connection.execute(_SURROUNDINGS, given).one_or_none()
    if row is None:
        return Surroundings(None, None)
    # MySQL finds a key in any case.
    is_own = row.token_key == TOKEN_ID_TAG and not is_prompt({PROMPT_TAG: row.prompt or ""})
    head = None
    if row.head_value is not None:
        if row.name is None:
            # Not as if there were no head: the series would begin anew, and pay for steps that were
            # paid.
            raise DamagedSeries(key.token_id, key.benchmark_metric)
        head = SeriesHead(
            row.direction,
            row.head_value,
            row.head_decision_id,
            row.name,
            row.version,
            row.creation_time,
            row.falls or 0,
        )
    owner = None if row.owner_workspace is None else ownership_of(row)
    return Surroundings(row.token if is_own else None, head, owner)


def ownership_of(row: Any) -> Ownership:
    """What a row says that has ``owner_workspace`` and the columns of a token beside it."""
    return Ownership(
        row.owner_workspace,
        None if row.metrics is None else frozenset(json.loads(row.metrics)),
        row.ceiling_pp,
        row.closed_time is not None,
        bool(row.is_publisher),
    )


def lock_series(connection: Connection, keys: Collection[SeriesId]) -> None:
    """Lock the heads of series, in one order, until the transaction ends."""
    # In one order: two writers that lock the same two series would otherwise wait for each other.
    for key in sorted(keys):
        connection.execute(
            select(series.c.head_value).where(*of_series(series, key)).with_for_update()
        )


def lock_everywhere(connection: Connection, key: SeriesId) -> Sequence[HeadElsewhere]:
    """The heads of a token and metric in every workspace, locked until the transaction ends."""
    given = {"token_id": key.token_id, "benchmark_metric": key.benchmark_metric}
    return [HeadElsewhere(*row) for row in connection.execute(_HEADS_EVERYWHERE, given)]


def begin_series(
    connection: Connection, key: SeriesId, direction: str, value: str, decision_id: str
) -> bool:
    """Make a value the baseline of a new series; False where another writer just began it."""
    return insert_if_absent(
        connection,
        series,
        {
            "workspace": key.workspace,
            "token_id": key.token_id,
            "benchmark_metric": key.benchmark_metric,
            "direction": direction,
            "baseline_value": value,
            "head_value": value,
            "head_decision_id": decision_id,
        },
    )


def move_head(
    connection: Connection,
    key: SeriesId,
    old_decision_id: str,
    value: str,
    decision_id: str,
    *,
    earned: bool,
) -> bool:
    """Swap the head for a better one; False where another writer just moved it.

    Where nothing is earned, and nothing was before, the series now begins with this value: what was
    paid stays the way from the baseline to the head.
    """
    given = {
        "of_workspace": key.workspace,
        "of_token": key.token_id,
        "of_metric": key.benchmark_metric,
        "old_decision": old_decision_id,
        "new_value": value,
        "new_decision": decision_id,
    }
    result = connection.execute(_MOVE_EARNED if earned else _MOVE_UNEARNED, given)
    return result.rowcount == 1


def lower_head(
    connection: Connection,
    key: SeriesId,
    old_decision_id: str,
    value: str,
    decision_id: str,
    falls: int,
    *,
    is_baseline: bool,
) -> bool:
    """Swap the head for a worse one (R19); False where another writer just moved it.

    Args:
        connection: The connection of the correction.
        key: The series.
        old_decision_id: The decision that holds the head until now.
        value: The head from now on.
        decision_id: The decision that sets it.
        falls: How often the head has been lowered, this time included.
        is_baseline: Whether nothing is earned in the series any more: it begins with this value.
    """
    moved: dict[str, Any] = {"head_value": value, "head_decision_id": decision_id, "falls": falls}
    if is_baseline:
        moved["baseline_value"] = value
    result = connection.execute(
        series.update()
        .where(*of_series(series, key), series.c.head_decision_id == old_decision_id)
        .values(moved)
    )
    return result.rowcount == 1


def begin_anew(connection: Connection, key: SeriesId) -> None:
    """Have a series begin with its head: nothing that was earned in it stands any more."""
    connection.execute(
        series.update().where(*of_series(series, key)).values(baseline_value=series.c.head_value)
    )


def _tag_of(models: Any, tags: Any, key: str) -> Any:
    return and_(
        tags.c.workspace == models.c.workspace, tags.c.name == models.c.name, tags.c.key == key
    )


# Statements are built once: building one takes about as long as running it.
_HEADS_EVERYWHERE = (
    select(series.c.workspace, series.c.direction, series.c.head_value, series.c.head_decision_id)
    .where(
        series.c.token_id == bindparam("token_id"),
        series.c.benchmark_metric == bindparam("benchmark_metric"),
    )
    # In one order, as every writer locks them.
    .order_by(series.c.workspace)
    .with_for_update()
)
_NEW_VALUE = bindparam("new_value", type_=series.c.head_value.type)
_MOVED: tuple[tuple[Any, Any], ...] = (
    (series.c.head_value, _NEW_VALUE),
    (series.c.head_decision_id, bindparam("new_decision")),
)
_NOTHING_YET = series.c.baseline_value == series.c.head_value
_ALSO_BASELINE = (
    series.c.baseline_value,
    case((_NOTHING_YET, _NEW_VALUE), else_=series.c.baseline_value),
)
_MOVE = series.update().where(
    series.c.workspace == bindparam("of_workspace"),
    series.c.token_id == bindparam("of_token"),
    series.c.benchmark_metric == bindparam("of_metric"),
    # The comparison of compare-and-swap. On the id, not on the value: an id is never used twice.
    # Without it two improvements over one head would both be paid.
    series.c.head_decision_id == bindparam("old_decision"),
)
# values() would set them in the order of the table's columns, whatever that is one day; and the
# baseline first: MySQL compares with what the statement has set already.
_MOVE_EARNED = _MOVE.ordered_values(*_MOVED)
_MOVE_UNEARNED = _MOVE.ordered_values(_ALSO_BASELINE, *_MOVED)

# As an expression of the model's row, because SQLAlchemy takes a join on a parameter alone for a
# forgotten condition (on MySQL).
_GIVEN_TOKEN = case(
    (registered_models.c.name.is_not(None), bindparam("token_id", type_=tokens.c.token_id.type))
)
_token_tag, _prompt_tag = registered_model_tags.alias(), registered_model_tags.alias()
_SURROUNDINGS = (
    select(
        _token_tag.c.key.label("token_key"),
        _token_tag.c.value.label("token"),
        _prompt_tag.c.value.label("prompt"),
        series.c.direction,
        series.c.head_value,
        series.c.head_decision_id,
        series.c.falls,
        decisions.c.name,
        decisions.c.version,
        decisions.c.creation_time,
        tokens.c.workspace.label("owner_workspace"),
        tokens.c.metrics,
        tokens.c.ceiling_pp,
        tokens.c.closed_time,
        token_publishers.c.publisher.is_not(None).label("is_publisher"),
    )
    .select_from(
        # From the model, outer joins all the way: one row comes also where the model has no token,
        # or the series no head. A statement for each would be two more for every tokenised write.
        registered_models.outerjoin(
            _token_tag, _tag_of(registered_models, _token_tag, TOKEN_ID_TAG)
        )
        .outerjoin(_prompt_tag, _tag_of(registered_models, _prompt_tag, PROMPT_TAG))
        .outerjoin(
            series,
            and_(
                series.c.workspace == registered_models.c.workspace,
                series.c.token_id == bindparam("token_id"),
                series.c.benchmark_metric == bindparam("benchmark_metric"),
            ),
        )
        .outerjoin(
            decisions,
            and_(
                decisions.c.workspace == series.c.workspace,
                decisions.c.decision_id == series.c.head_decision_id,
            ),
        )
        .outerjoin(tokens, tokens.c.token_id == _GIVEN_TOKEN)
        .outerjoin(
            token_publishers,
            and_(
                token_publishers.c.token_id == tokens.c.token_id,
                token_publishers.c.publisher == bindparam("user"),
            ),
        )
    )
    .where(
        registered_models.c.workspace == bindparam("workspace"),
        registered_models.c.name == bindparam("model"),
    )
)
