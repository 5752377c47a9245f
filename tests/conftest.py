"""Fixtures of all tests.

A test that takes ``database_uri``, or a fixture built on it, runs once on each database. To run
on one only: ``@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)``, or
``pytest -k sqlite``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from support.database_base import Holding
from support.databases import AllDatabases
from support.engines import dispose_engines, forget_engines
from support.registry import create_model, create_version

from hokusai_mlflow_plugin.store.registry_store import build_store

DIALECTS = ("sqlite", "postgresql", "mysql")


def pytest_configure(config: pytest.Config) -> None:
    """Tests begin with no setting of the project's or MLflow's but their own."""
    # Ours, said to who registers (R15): most tests name no contributor. Those of warnings ask for
    # them. Not in pyproject.toml, where it would have the package imported before it is measured.
    config.addinivalue_line("filterwarnings", "ignore::hokusai.errors.HokusaiWarning")
    for name in list(os.environ):
        if name.startswith(("HOKUSAI_", "MLFLOW_")) and not name.startswith("HOKUSAI_TEST_"):
            del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """A test leaves MLflow's variables as they were: the next one in its process has them, too."""
    before = _mlflow_variables()
    yield
    assert _mlflow_variables() == before


def _mlflow_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}


@pytest.fixture(scope="session")
def all_databases() -> Iterator[AllDatabases]:
    """Every kind of database, each looked for when first needed."""
    databases = AllDatabases()
    yield databases
    databases.close()


@pytest.fixture(params=DIALECTS)
def database_uri(request: pytest.FixtureRequest, all_databases: AllDatabases) -> Iterator[str]:
    """URI of a fresh database as an opened store leaves it; gone after the test.

    Only MLflow's tables are in it where the test takes ``stock_database_uri``: to migrate takes
    longer than most tests.
    """
    is_stock = "stock_database_uri" in request.fixturenames
    yield from _one_database(all_databases, request.param, "mlflow" if is_stock else "hokusai")


@pytest.fixture
def stock_database_uri(database_uri: str) -> str:
    """The same with MLflow's tables alone, as before the plugin's first start."""
    return database_uri


@pytest.fixture(params=DIALECTS)
def empty_database_uri(
    request: pytest.FixtureRequest, all_databases: AllDatabases
) -> Iterator[str]:
    """URI of a fresh database without any table; gone after the test."""
    yield from _one_database(all_databases, request.param, "nothing")


def _one_database(all_databases: AllDatabases, dialect: str, holding: Holding) -> Iterator[str]:
    databases = all_databases.of(dialect)
    uri = databases.create(holding)
    yield uri
    dispose_engines()
    databases.drop(uri)


@pytest.fixture
def store_factory(database_uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Opens the plugin's store on the test's database, with settings such as ``HOKUSAI_POLICY``.

    The variables are there only while the store is built, as it reads them once.
    """

    def make(**environ: str) -> Any:
        if any(name.startswith("MLFLOW_SQLALCHEMYSTORE_") for name in environ):
            forget_engines()  # an engine that an earlier test left has its own pool
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            return build_store(f"hokusai+{database_uri}")

    return make


@pytest.fixture
def store(store_factory: Callable[..., Any]) -> Any:
    """The plugin's store with its default settings."""
    return store_factory()


@pytest.fixture
def client(database_uri: str) -> MlflowClient:
    """MLflow's own client on the test's database, its registry being the plugin's."""
    return MlflowClient(tracking_uri=database_uri, registry_uri=f"hokusai+{database_uri}")


@pytest.fixture
def model_factory(store: Any) -> Callable[..., None]:
    """Creates registered models: ``model_factory("name", {"key": "value"})``."""

    def make(*args: Any, **kwargs: Any) -> None:
        create_model(store, *args, **kwargs)

    return make


@pytest.fixture
def version_factory(store: Any) -> Callable[..., ModelVersion]:
    """Creates versions, tokenised ones by default: ``version_factory("name", token_tags())``."""

    def make(*args: Any, **kwargs: Any) -> ModelVersion:
        return create_version(store, *args, **kwargs)

    return make
