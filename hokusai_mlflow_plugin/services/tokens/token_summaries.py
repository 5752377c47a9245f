"""Totals of tokens as far as the asker may read them.

Who may read every model gets them from one query. For anyone else they are added up from the
models that they may read, so that no count speaks of another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.tokens import token_totals, totals_by_model
from hokusai_mlflow_plugin.services.rewards.improvements import improvements_by_address
from hokusai_mlflow_plugin.services.visibility import Visible

Json = dict[str, Any]

_BATCH = 1000


def tokens(
    connection: Connection, workspace: str, prefix: str, after: str, count: int, visible: Visible
) -> list[Json]:
    """The first ``count`` tokens after one, in the order of their ids, with their totals."""
    if visible.all:
        rows = token_totals.tokens(connection, workspace, prefix, after, count)
        return [dict(row) for row in rows]
    found: list[Json] = []
    size = count
    while True:
        # By tokens, so that each version is counted once however few of the models are readable.
        last = totals_by_model.nth_token(connection, workspace, prefix, after, size)
        for row in totals_by_model.models_of_tokens(connection, workspace, prefix, after, last):
            if row["name"] not in visible:
                continue
            if not found or found[-1]["token_id"] != row["token_id"]:
                found.append(_nothing_of(row["token_id"]))
            _add_model(found[-1], row)
        if last is None or len(found) >= count:
            return found[:count]
        after, size = last, _BATCH


def token(connection: Connection, workspace: str, token_id: str, visible: Visible) -> Json | None:
    """The totals of one token, or None where no version of it may be read."""
    if visible.all:
        row = token_totals.token(connection, workspace, token_id)
        return None if row is None else dict(row)
    found: Json | None = None
    for row in totals_by_model.models_of_token(connection, workspace, token_id):
        if row["name"] in visible:
            found = _nothing_of(token_id) if found is None else found
            _add_model(found, row)
    return found


def without_versions(token_id: str) -> Json:
    """The totals of a token that no live version carries."""
    return {**_nothing_of(token_id), "last_registered_timestamp": None}


def add_series(
    connection: Connection, workspace: str, found: Collection[Json], visible: Visible
) -> None:
    """Give each token its series with their heads, in the order of their metrics.

    A series whose head is a version that the asker may not read is left out.
    """
    by_token: dict[str, list[Json]] = {}
    ids = [token["token_id"] for token in found]
    for row in decision_log.series_of(connection, workspace, ids) if ids else ():
        if visible.all or row["name"] in visible:
            by_token.setdefault(row["token_id"], []).append(_series(row))
    for token in found:
        token["series"] = by_token.get(token["token_id"], [])


def contributors(connection: Connection, workspace: str, token_id: str, visible: Visible) -> Json:
    """Payable contributors of a token with their improvements, in the order of their addresses.

    Those of its live versions, and those whom its reward events name: who was paid stays, also when
    the version is deleted, with no version and no time. Shape: ``contributors``, and where there
    are more events than one answer looks at ``improvements_until``: the sequence number up to which
    they count.
    """
    if visible.all:
        rows = token_totals.contributors(connection, workspace, token_id)
        people = [dict(row) for row in rows]
    else:
        by_model = totals_by_model.contributors_by_model(connection, workspace, token_id)
        people = _by_address(row for row in by_model if row["name"] in visible)
    achieved, until = improvements_by_address(connection, workspace, token_id, visible)
    known = {person["contributor_address"] for person in people}
    people += [_without_versions(address) for address in achieved if address not in known]
    for person in people:
        person["improvements"] = achieved.get(person["contributor_address"], [])
    people.sort(key=lambda person: str(person["contributor_address"]))
    answer: Json = {"contributors": people}
    return answer if until is None else {**answer, "improvements_until": until}


def _without_versions(address: str) -> Json:
    return {
        "contributor_address": address,
        "version_count": 0,
        "last_registered_timestamp": None,
    }


def _series(row: RowMapping) -> Json:
    """A series; its head has no version where that was written before the plugin."""
    return {
        "benchmark_metric": row["benchmark_metric"],
        "direction": row["direction"],
        "baseline_value": row["baseline_value"],
        "head": {
            "name": row["name"],
            "version": None if row["version"] is None else str(row["version"]),
            "value": row["head_value"],
        },
    }


def _by_address(rows: Iterable[RowMapping]) -> list[Json]:
    found: list[Json] = []
    for row in rows:
        address = row["contributor_address"]
        if not found or found[-1]["contributor_address"] != address:
            found.append(
                {
                    "contributor_address": address,
                    "version_count": 0,
                    "last_registered_timestamp": 0,
                }
            )
        _add(found[-1], row)
    return found


def _nothing_of(token_id: str) -> Json:
    return {
        "token_id": token_id,
        "model_count": 0,
        "version_count": 0,
        "last_registered_timestamp": 0,
    }


def _add_model(total: Json, row: RowMapping) -> None:
    total["model_count"] += 1
    _add(total, row)


def _add(total: Json, row: RowMapping) -> None:
    total["version_count"] += row["version_count"]
    total["last_registered_timestamp"] = max(
        total["last_registered_timestamp"], row["last_registered_timestamp"]
    )
