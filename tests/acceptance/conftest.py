"""Fixtures on real server processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.iris import IrisRun, log_iris_model
from support.listening import Listening, listen
from support.servers import Server, mlflow_server

from hokusai.core import ModelRegistry

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: MLflow, where nothing is set, puts its database there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with the plugin on, for all tests; they use names of their own."""
    webhooks_on_this_machine = {
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    }
    folder = tmp_path_factory.mktemp("server")
    with mlflow_server(folder, environ=webhooks_on_this_machine) as running:
        yield running


@pytest.fixture(scope="session")
def stock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An MLflow server without the plugin."""
    with mlflow_server(tmp_path_factory.mktemp("stock"), app_name=None) as running:
        yield running


@pytest.fixture
def connected(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, with MLflow's client pointed at it by environment variables."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.uri)
    return server


@pytest.fixture(scope="session")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder where nothing was ever set, and the database is there already."""
    return tmp_path_factory.mktemp("unconfigured")


@pytest.fixture
def client(connected: Server) -> MlflowClient:
    """MLflow's own client, of the server."""
    return MlflowClient()


@pytest.fixture(params=["server", "in process"])
def registry(
    request: pytest.FixtureRequest, used_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ModelRegistry:
    """The client as it is without arguments: of a server, and with nothing configured."""
    if request.param == "server":
        request.getfixturevalue("connected")
    else:
        monkeypatch.chdir(used_folder)
    return ModelRegistry()


@pytest.fixture
def listening() -> Iterator[Listening]:
    """An HTTP server of the test's own, which answers 200 and an empty JSON object."""
    with listen() as found:
        yield found


@pytest.fixture(scope="session")
def iris_run(server: Server) -> IrisRun:
    """A run on the server with a real model, logged once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        return log_iris_model()


@pytest.fixture
def new_token() -> str:
    """A token that no other test uses."""
    return f"TOKEN-{next(_numbers)}"


@pytest.fixture
def new_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A name that no other test uses: ``new_name("model")``."""

    def make(stem: str) -> str:
        return f"{stem} {request.node.name}".translate(str.maketrans("/:", "--"))

    return make
