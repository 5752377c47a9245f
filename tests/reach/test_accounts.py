"""R16 where the registry's server has users: their permissions hold, and secrets stay secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from reach.left_behind import contents
from security.accounts import ADMIN, auth_environ
from support.iris import IrisRun
from support.servers import Server, backend, mlflow_server

Names = Callable[[], str]
ADA = ("ada", "adas-long-password")
BOB = ("bob", "bobs-long-password")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry's server where a user may do nothing but what is his own."""
    folder = tmp_path_factory.mktemp("guarded")
    uri = f"hokusai+{backend(folder)}"
    app, environ = "hokusai-basic-auth", auth_environ(folder)
    with mlflow_server(folder, app_name=app, registry_uri=uri, environ=environ) as server:
        for username, password in (ADA, BOB):
            answer = requests.post(
                f"{server.uri}/api/2.0/mlflow/users/create",
                json={"username": username, "password": password},
                auth=ADMIN,
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
        yield server


def registry_uri(server: Server, user: tuple[str, str]) -> str:
    """The registry's URI with a user's credentials in it."""
    return f"hokusai+{server.uri.replace('//', f'//{user[0]}:{user[1]}@')}"


@pytest.fixture
def held(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, set[str]]]:
    """What the server holds, as its administrator sees it."""

    def look() -> dict[str, set[str]]:
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
            patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
            return contents(guarded)

    return look


def test_users(
    guarded: Server,
    laptop: Path,
    iris_run: IrisRun,
    new_name: Names,
    held: Callable[[], dict[str, set[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who may register does, and loads it; others are refused, without a trace, until they may."""
    nobody = held()
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{guarded.uri}")
    with pytest.raises(MlflowException, match="401"):
        mlflow.register_model(iris_run.model_uri, new_name())
    assert held() == nobody

    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry_uri(guarded, ADA))
    name = new_name()
    version = mlflow.register_model(iris_run.model_uri, name)
    loaded = mlflow.sklearn.load_model(f"models:/{name}/1")
    assert np.array_equal(loaded.predict(iris_run.sample), iris_run.predicted)
    assert ADA[1] not in str(version)

    before = held()
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry_uri(guarded, BOB))
    for wanted in (new_name(), name):
        with pytest.raises(MlflowException) as refused:
            mlflow.register_model(iris_run.model_uri, wanted)
        assert refused.value.error_code == "PERMISSION_DENIED"
        assert BOB[1] not in str(refused.value)
        assert held() == before
    with pytest.raises(MlflowException, match=r"403|Permission denied"):
        mlflow.sklearn.load_model(f"models:/{name}/1")


def test_a_pair_in_variables(
    guarded: Server,
    laptop: Path,
    iris_run: IrisRun,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow's own variables are taken, and each team can have an experiment of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", BOB[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", BOB[1])
    monkeypatch.setenv("HOKUSAI_COPY_EXPERIMENT", "team-b")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{guarded.uri}/")  # opened anew
    name = new_name()
    version = mlflow.register_model(iris_run.model_uri, name)
    client = MlflowClient(guarded.uri)
    experiment = client.get_run(version.run_id).info.experiment_id
    assert client.get_experiment(experiment).name == "team-b"
    loaded = mlflow.sklearn.load_model(f"models:/{name}/1")
    assert np.array_equal(loaded.predict(iris_run.sample), iris_run.predicted)
