"""Writes at the store: ours against MLflow's own store, on the same database."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from bench_databases import tokenised
from bench_latency import ROUND_TRIP_MS, farther
from bench_timing import Figure, in_time, times_ms
from mlflow.entities.model_registry import ModelVersionTag

from hokusai_mlflow_plugin.store.mlflow_compat.database import SqlAlchemyStore
from hokusai_mlflow_plugin.store.registry_store import build_store

Case = Callable[[], Any]
PLAIN, TOKENISED, ACHIEVING, TAG = (
    "create version, untokenised",
    "create version, tokenised and decided",
    "create version, DeltaOne with its event",
    "set version tag",
)


TARGETS = {PLAIN: "≤1.02", TOKENISED: "≤1.2", ACHIEVING: "≤1.5", TAG: "≤1.02"}
FARTHER_TARGETS = {TOKENISED: "≤1.25", ACHIEVING: "≤1.5"}


def measure(database: str, uri: str, versions: int, rounds: int) -> list[Figure]:
    """Figures of writes at the store on one database; on PostgreSQL also where it is farther."""
    if database != "postgresql":
        return _figures(database, uri, versions, rounds, "store", {})
    figures = _figures(database, uri, versions, rounds, "store", TARGETS)
    with farther(uri, ROUND_TRIP_MS) as there:
        where = f"store, database {ROUND_TRIP_MS} ms away"
        return figures + _figures(database, there, versions, rounds, where, FARTHER_TARGETS)


def _figures(
    database: str, uri: str, versions: int, rounds: int, where: str, targets: Mapping[str, str]
) -> list[Figure]:
    run = uuid.uuid4().hex[:8]
    ours = _cases(build_store(f"hokusai+{uri}"), f"write-{run}-ours", f"W-{run}".upper())
    stock = _cases(SqlAlchemyStore(uri), f"write-{run}-stock", f"W-{run}".upper())
    cases: dict[str, Case] = {}
    for what in ours:
        cases[f"stock {what}"] = stock[what]
        cases[f"ours {what}"] = ours[what]
    found = times_ms(cases, rounds, budget_s=60)
    return [
        in_time(
            database,
            versions,
            f"{what}, {where}",
            "stock store",
            found[f"ours {what}"],
            found[f"stock {what}"],
            targets.get(what, ""),
        )
        for what in ours
    ]


def _cases(store: Any, prefix: str, token_id: str) -> dict[str, Case]:
    """The same writes for either store, each case to a model of its own.

    Values of the tokenised case fall, so that no decision is a DeltaOne after the first; each
    of the achieving case is better than the one before: the error falls.
    """
    models = {what: f"{prefix}-{number}" for number, what in enumerate((PLAIN, TOKENISED, TAG))}
    models[ACHIEVING] = f"{prefix}-achieving"
    for name in models.values():
        store.create_registered_model(name)
    plain = [ModelVersionTag(f"tag-{number}", "value") for number in range(5)]
    store.create_model_version(models[TAG], "s3://bucket/model", tags=plain)
    count = itertools.count(1)

    def create(what: str, tags: list[ModelVersionTag]) -> None:
        store.create_model_version(models[what], "s3://bucket/model", tags=tags)

    return {
        PLAIN: lambda: create(PLAIN, plain),
        TOKENISED: lambda: create(TOKENISED, tokenised(token_id, f"0.{900000 - next(count)}")),
        ACHIEVING: lambda: create(
            ACHIEVING, tokenised(f"{token_id}-ACHIEVING", str(10**6 - next(count)), "mae")
        ),
        TAG: lambda: store.set_model_version_tag(
            models[TAG], "1", ModelVersionTag("note", str(next(count)))
        ),
    }
