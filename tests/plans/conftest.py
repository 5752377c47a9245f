"""One large registry on each database for all tests of plans."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from plans.large_registry import fill
from sqlalchemy import Engine, create_engine
from support.databases import AllDatabases
from support.engines import dispose_engines

from hokusai_mlflow_plugin.store.registry_store import build_store

VERSIONS_VARIABLE = "HOKUSAI_TEST_PLAN_VERSIONS"
VERSIONS = int(os.environ.get(VERSIONS_VARIABLE, "100000"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def large_registry(request: pytest.FixtureRequest, all_databases: AllDatabases) -> Iterator[Engine]:
    """The engine of a database with 100,000 versions, or as many as the variable says."""
    databases = all_databases.of(request.param)
    uri = databases.create()
    build_store(f"hokusai+{uri}")  # makes our tables
    dispose_engines()
    engine = create_engine(uri)
    fill(engine, VERSIONS)
    yield engine
    engine.dispose()
    databases.drop(uri)
