"""Renaming a model of many versions: ours against MLflow's own store."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from typing import Any

from bench_timing import Figure, in_time, times_ms
from sqlalchemy import create_engine, text

from hokusai_mlflow_plugin.db.index import take_over
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.store.mlflow_compat.database import SqlAlchemyStore
from hokusai_mlflow_plugin.store.registry_store import build_store

VERSIONS = 10_000
ROUNDS = 3
_VERSIONS = (
    "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time,"
    " current_stage, source, status)"
    " SELECT 'default', :name, n, 1700000000000 + n, 1700000000000 + n, 'None', 's3://b/m', 'READY'"
    f" FROM generate_series(1, {VERSIONS}) n"
)
_TAGS = (
    "INSERT INTO model_version_tags (workspace, name, version, key, value)"
    " SELECT 'default', :name, n, key, CASE key WHEN 'hokusai_token_id' THEN :token"
    " WHEN 'benchmark_metric' THEN 'accuracy' ELSE '0.' || (500000 + n) END"
    f" FROM generate_series(1, {VERSIONS}) n, (VALUES ('hokusai_token_id'), ('benchmark_metric'),"
    " ('benchmark_value')) keys (key)"
)


def measure(database: str, uri: str, versions: int) -> list[Figure]:
    """On PostgreSQL; each model goes from one name to another and back."""
    if database != "postgresql":
        return []
    ours: Any = build_store(f"hokusai+{uri}")
    cases = {"ours": _case(ours, uri, "ours"), "stock": _case(SqlAlchemyStore(uri), uri, "stock")}
    for _report in maintenance.rebuild(ours.engine, BUILT_IN):
        pass
    with ours.engine.begin() as connection:
        take_over.mark_done(connection)
    found = times_ms(cases, ROUNDS, budget_s=600)
    what = f"rename a model of {VERSIONS} versions, store"
    return [in_time(database, versions, what, "stock store", found["ours"], found["stock"], "≤1.5")]


def _case(store: Any, uri: str, way: str) -> Callable[[], object]:
    """Rename a model of its own, with as many tokenised versions."""
    name = f"rename-{way}-{uuid.uuid4().hex[:8]}"
    store.create_registered_model(name)
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.execute(text(_VERSIONS), {"name": name})
        connection.execute(text(_TAGS), {"name": name, "token": name.upper()})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    names = itertools.cycle((f"{name}-renamed", name))
    current = [name]

    def rename() -> None:
        following = next(names)
        store.rename_registered_model(current[0], following)
        current[0] = following

    return rename
