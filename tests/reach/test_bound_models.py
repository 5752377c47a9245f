"""Versions that their registered model tokenises, from every way to register (R17)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from support.iris import IrisRun, train_iris_model
from support.servers import Server

from hokusai.core import ModelRegistry
from hokusai.errors import RequestRefused
from hokusai_mlflow_plugin.domain.bindings import BOUND_TAG

Names = Callable[[], str]
TAGS = {"hokusai_token_id": "IRIS-001", "benchmark_metric": "accuracy", "benchmark_value": "0.9"}


@pytest.fixture
def on_the_server(
    registry_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A folder where the server is all that is configured, tracking and registry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry_server.uri)
    yield registry_server
    mlflow.end_run()


def bound(name: str) -> ModelRegistry:
    registry = ModelRegistry()
    registry.bind_model(name, "IRIS-001", "accuracy")
    return registry


def log_and_register(name: str, value: float = 0.9) -> str:
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", value)
        mlflow.sklearn.log_model(
            train_iris_model(),
            name="model",
            pip_requirements=["scikit-learn"],
            registered_model_name=name,
        )
    return str(run.info.run_id)


def token_tags_of(client: MlflowClient, name: str) -> dict[str, str]:
    tags = client.get_model_version(name, "1").tags
    return {key: value for key, value in tags.items() if key in TAGS}


def test_log_model_on_the_server(on_the_server: Server, new_name: Names) -> None:
    """log_model with registered_model_name makes a tokenised version, as it stands."""
    name = new_name()
    bound(name)
    run_id = log_and_register(name)
    assert token_tags_of(MlflowClient(), name) == TAGS
    assert MlflowClient().get_model_version(name, "1").tags[BOUND_TAG] == run_id


def test_log_model_from_a_laptop(laptop: Path, registry: MlflowClient, new_name: Names) -> None:
    """So it does where the run is elsewhere, with the evidence of its copy."""
    name = new_name()
    found = bound(name)
    log_and_register(name)
    assert token_tags_of(registry, name) == TAGS
    decision = found.ask("deltaone/detect", name=name)["decision"]
    assert decision["evidence"] == "run_backed"


def test_what_the_page_and_other_languages_send(on_the_server: Server, new_name: Names) -> None:
    """A bare REST call, as the page's button, R, Java and TypeScript make it, is enough."""
    name = new_name()
    bound(name)
    client = MlflowClient()
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "accuracy", 0.9)
    body = {
        "name": name,
        "source": f"{run.info.artifact_uri}/model",
        "run_id": run.info.run_id,
    }
    api = f"{on_the_server.uri}/api/2.0/mlflow/model-versions/create"
    answer = requests.post(api, json=body, timeout=30)
    assert answer.status_code == 200
    tags = {each["key"]: each["value"] for each in answer.json()["model_version"]["tags"]}
    assert tags == {**TAGS, BOUND_TAG: run.info.run_id}


def test_two_tags_set_by_hand(on_the_server: Server, new_name: Names) -> None:
    """The model's page needs no more than two tags, in any order."""
    name = new_name()
    client = MlflowClient()
    client.create_registered_model(name)
    client.set_registered_model_tag(name, "hokusai_token_id", "IRIS-001")
    client.set_registered_model_tag(name, "benchmark_metric", "accuracy")
    log_and_register(name)
    assert token_tags_of(client, name) == TAGS


def test_binding_is_both_or_nothing(on_the_server: Server, new_name: Names) -> None:
    """What is refused leaves the model as it was, or not made."""
    name = new_name()
    registry, client = ModelRegistry(), MlflowClient()
    with pytest.raises(RequestRefused, match="2 faults"):
        registry.bind_model(name, "iris", " ")
    with pytest.raises(RequestRefused, match="did you mean"):
        registry.bind_model(name, "IRIS-001", "Accuracy")
    assert client.search_registered_models(f"name = '{name}'") == []
    registry.bind_model(name, "IRIS-001", "accuracy")
    log_and_register(name)
    with pytest.raises(RequestRefused, match="carry another token"):
        registry.bind_model(name, "IRIS-002", "f1_score")
    tags = client.get_registered_model(name).tags
    assert tags == {"hokusai_token_id": "IRIS-001", "benchmark_metric": "accuracy"}


def test_the_command(on_the_server: Server, new_name: Names) -> None:
    """`model bind` does the same, and `deltaone explain` says where the tags came from."""
    name = new_name()
    command = [str(Path(sys.executable).with_name("hokusai-mlflow"))]
    bind = [*command, "model", "bind", name, "IRIS-001", "accuracy"]
    told = subprocess.run(bind, check=True, capture_output=True, text=True).stdout
    assert told == f"Versions of {name} whose run logged accuracy now carry IRIS-001.\n"
    run_id = log_and_register(name)
    explain = [*command, "deltaone", "explain", name]
    told = subprocess.run(explain, check=True, capture_output=True, text=True).stdout
    assert f"Its registered model tokenised it, with what run {run_id} logged." in told


def test_iris_run_of_a_laptop_without_the_metric(
    iris_run: IrisRun, registry: MlflowClient, new_name: Names
) -> None:
    """Where the metric was not logged the version is an ordinary one."""
    name = new_name()
    bound(name)
    mlflow.register_model(iris_run.model_uri, name)
    assert token_tags_of(registry, name) == {}
