"""Fixtures of a registry on a server of its own, and of models that were made elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from support.iris import IrisRun, log_iris_model
from support.servers import Server, mlflow_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the plugin on, which has logged nothing."""
    with mlflow_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def registry(registry_server: Server) -> MlflowClient:
    """MLflow's client of that server, as others see it."""
    return MlflowClient(tracking_uri=registry_server.uri, registry_uri=registry_server.uri)


@pytest.fixture
def laptop(
    registry_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder where nothing is configured but the registry; MLflow keeps its runs in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{registry_server.uri}")
    yield tmp_path
    mlflow.end_run()


@pytest.fixture
def iris_run(laptop: Path) -> IrisRun:
    """A run of the laptop with a real model."""
    return log_iris_model()


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Names of registered models that no other test uses."""
    return lambda: f"model-{next(_numbers)}"
