"""One origin backs one reward, however often and whichever way it is copied (R14, R16)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from support.iris import IrisRun
from support.servers import Server, mlflow_server

from hokusai.core import ModelRegistry

Names = Callable[[], str]
_series = itertools.count(1)


@pytest.fixture
def measured_run(iris_run: IrisRun) -> IrisRun:
    """A run of the laptop that logged an accuracy of 0.9."""
    MlflowClient().log_metric(iris_run.run_id, "accuracy", 0.9)
    return iris_run


def improve(model_uri: str, name: str) -> str:
    """Register a model as an improvement in a series of its own; the evidence of the decision."""
    registry, token = ModelRegistry(), f"ONCE-{next(_series)}"
    baseline = f"{name}-before"
    registry.register_tokenized_model(model_uri, baseline, token, "accuracy", 0.5)
    registry.register_tokenized_model(model_uri, name, token, "accuracy", 0.9)
    decision = registry.ask("deltaone/detect", name=name)["decision"]
    assert decision["outcome"] == "achieved"
    return str(decision["evidence"])


def test_registered_twice(laptop: Path, measured_run: IrisRun, new_name: Names) -> None:
    """The second copy is there, and is no evidence for a second reward."""
    uri = measured_run.model_uri
    assert [improve(uri, new_name()) for _time in range(2)] == ["run_backed", "reused"]


def test_on_two_ways(
    laptop: Path,
    measured_run: IrisRun,
    registry_server: Server,
    registry: MlflowClient,
    new_name: Names,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Copied from the laptop, and from another server that has a copy of it: one origin."""
    assert improve(measured_run.model_uri, new_name()) == "run_backed"
    between, name = new_name(), new_name()
    with mlflow_server(tmp_path_factory.mktemp("between")) as server:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{server.uri}")
        copy = mlflow.register_model(measured_run.model_uri, between)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{registry_server.uri}")
        assert improve(copy.source, name) == "reused"
    tags = registry.get_model_version(name, "1").tags
    assert tags["hokusai_origin_run_id"] == measured_run.run_id
    assert tags["hokusai_origin_model_id"] == measured_run.model_id
    assert tags["hokusai_origin_tracking_uri"] == f"sqlite:///{laptop}/mlflow.db"
