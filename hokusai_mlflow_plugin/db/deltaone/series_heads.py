"""The heads of series: locked, begun and moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, select

from hokusai_mlflow_plugin.db.keys import SeriesId, of_series
from hokusai_mlflow_plugin.db.schema.tables import series
from hokusai_mlflow_plugin.db.upserts import insert_if_absent


@dataclass(frozen=True)
class HeadElsewhere:
    """The head of a series of the same token and metric, in any workspace."""

    workspace: str
    direction: str
    value: str
    decision_id: str


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
