"""The baseline of a series is set anew (R19)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from hokusai_mlflow_plugin.db.deltaone import decision_log, past_values
from hokusai_mlflow_plugin.db.deltaone.standing import latest_standing
from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, SeriesId
from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    CorrectionRefused,
    DamagedSeries,
    InvalidRequest,
    SeriesNotFound,
)
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.reward_events import Correction
from hokusai_mlflow_plugin.domain.tokens import check_token_id, shown
from hokusai_mlflow_plugin.services.deltaone import falling_heads
from hokusai_mlflow_plugin.services.rewards.corrections import Because, write
from hokusai_mlflow_plugin.services.rewards.history_entries import Action, put_on_record

Json = dict[str, Any]


def rebase(
    connection: Connection,
    workspace: str,
    token_id: str,
    metric: str,
    because: Because,
    catalogue: Catalogue,
) -> Json:
    """Have a series begin with the best value of the versions left, where nobody earned its head.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the series.
        token_id: Its token.
        metric: Its metric, by any of its names.
        because: Why, and who.
        catalogue: Metrics by name.

    Returns:
        The event of the correction.

    Raises:
        InvalidRequest: The token id breaks R1.
        SeriesNotFound: There is none.
        CorrectionRefused: A standing DeltaOne holds its head, no version is left, or the best one
            still has the value to beat.
        ConcurrentWrite: Another write was faster; to be begun again.
    """
    if violation := check_token_id(token_id):
        raise InvalidRequest(violation.message)
    key = SeriesId(workspace, token_id, catalogue.canonical(metric))
    known = catalogue.get(key.benchmark_metric)
    live_versions.begin_writing(connection)
    head = past_values.read_head(connection, key)
    # MySQL finds a series by a metric with blanks behind it, too.
    if head is None or head.benchmark_metric != key.benchmark_metric:
        raise SeriesNotFound(token_id, metric)
    first = falling_heads.next_head(connection, key, head, known)
    if first is not None:
        models = {ModelId(workspace, first["name"])}
        live_versions.lock_models(connection, live_versions.those_there(connection, models))
    head = past_values.lock_head(connection, key)
    if head is None:
        raise SeriesNotFound(token_id, metric)
    found = falling_heads.next_head(connection, key, head, known)
    if found is None:
        raise CorrectionRefused(
            "No live version of this series is left to begin with. Register one with the right "
            "value first: it becomes the baseline."
        )
    if first is None or found["name"] != first["name"]:
        raise ConcurrentWrite("Another version of this series has just become the best.")
    held = decision_log.read_decision(connection, workspace, head.head_decision_id)
    if held is None:
        raise DamagedSeries(token_id, key.benchmark_metric)
    _require_lower(connection, key, head, found)
    standing = latest_standing(connection, key)
    reason = (
        f"{falling_heads.GOES_DOWN}from {head.head_value} to {found['value']}, the best value "
        f"left, by an administrator's correction: {because.reason}"
    )
    lowered = falling_heads.lower(
        connection,
        key,
        head,
        found,
        reason,
        is_baseline=standing is None,
        actor=because.actor,
    )
    data = {
        "workspace": workspace,
        "token_id": token_id,
        "benchmark_metric": key.benchmark_metric,
        "direction": head.direction,
        "name": lowered["name"],
        "version": str(lowered["version"]),
        "value": lowered["value"],
        "previous": {
            "name": held["name"],
            "version": str(held["version"]),
            "value": head.head_value,
        },
        "reason": because.reason,
    }
    event = write(connection, key, lowered, data, because, Correction.REBASED, None)
    put_on_record(
        connection,
        Action.REBASED,
        data,
        lowered,
        because.actor,
        event["timestamp"],
        benchmark_metric=key.benchmark_metric,
        before=head.head_value,
        value=lowered["value"],
        reason=because.reason,
    )
    return event


def _require_lower(connection: Connection, key: SeriesId, head: Row[Any], found: Json) -> None:
    if falling_heads.is_lower(head, found["value"]):
        return
    standing = latest_standing(connection, key)
    if standing is not None and standing["value"] == head.head_value:
        raise CorrectionRefused(
            f"The value to beat, {head.head_value}, was earned: revoke event "
            f"{standing['event_id']} instead."
        )
    raise CorrectionRefused(
        f"Version {found['version']} of model {shown(found['name'])} still has the value to beat, "
        f"{head.head_value}. Amend its benchmark_value, or delete that version, first."
    )
