"""The names of MLflow's that are not public, and that the client uses, are what it takes them for.

On each supported MLflow. What relies on them is in ``hokusai/mlflow_compat.py``; and the store that
``hokusai+http://`` is made of, in ``hokusai/reach/store.py``.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.utils.models import _parse_model_id_if_present
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.store.model_registry.rest_store import RestStore
from mlflow.store.tracking.abstract_store import AbstractStore as AbstractTrackingStore
from mlflow.tracking._model_registry import fluent
from mlflow.tracking._model_registry import utils as registry_utils
from mlflow.tracking._tracking_service import utils as tracking_utils
from mlflow.utils import validation, workspace_context

from hokusai import mlflow_compat


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.fixture
def tracking_uri(tmp_path, monkeypatch):
    """A tracking store of MLflow's own, in a folder."""
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def client(tracking_uri):
    return MlflowClient(tracking_uri)


def test_uris_and_stores():
    """URIs are resolved, and stores opened and kept, by these functions."""
    assert parameters(registry_utils._resolve_registry_uri) == ["registry_uri", "tracking_uri"]
    assert parameters(tracking_utils._resolve_tracking_uri) == ["tracking_uri"]
    assert parameters(registry_utils._get_store) == ["store_uri", "tracking_uri"]
    assert parameters(tracking_utils._get_store)[0] == "store_uri"


def test_one_store_for_a_uri(tracking_uri):
    """Asked twice for a URI, MLflow gives the same store."""
    stores = {id(mlflow_compat.open_store(tracking_uri, tracking_uri)) for _time in range(2)}
    assert len(stores) == 1
    assert mlflow_compat.resolve_uris(None, None) == (tracking_uri, tracking_uri)


def test_the_active_workspace(monkeypatch):
    """It is None where nobody chose one."""
    monkeypatch.delenv("MLFLOW_WORKSPACE", raising=False)
    assert mlflow_compat.active_workspace() is None
    with workspace_context.WorkspaceContext("team-a"):
        assert mlflow_compat.active_workspace() == "team-a"


def test_who_registers():
    """``mlflow.register_model`` and ``log_model`` both go through one function, model first."""
    assert "_register_model(" in inspect.getsource(mlflow.register_model)
    source = inspect.getsource(fluent._register_model)
    assert source.index(".create_registered_model(") < source.index("._create_model_version(")
    assert "RESOURCE_ALREADY_EXISTS" in source
    from mlflow.models import model  # it imports half of MLflow

    assert "_register_model(" in inspect.getsource(model.Model.log)


def test_its_frame_is_found(client, monkeypatch):
    """In a store that it calls, and in no other call."""
    seen = []
    monkeypatch.setattr(
        MlflowClient,
        "create_registered_model",
        lambda *_: seen.append(mlflow_compat.is_registering()),
    )
    client.create_registered_model("a")
    with pytest.raises(Exception, match=r"'NoneType' object has no attribute 'name'"):
        mlflow.register_model("models:/m-1", "a")
    with mlflow_compat.registering():
        client.create_registered_model("a")
    assert seen == [False, True, True]


def test_sources(client, tracking_uri):
    """What a source names, and where its files are."""
    run = client.create_run("0").info
    assert mlflow_compat.run_and_path("runs:/1/a/b") == ("1", "a/b")
    assert mlflow_compat.run_and_path("models:/a/1") is None
    assert mlflow_compat.model_id_of("models:/m-1") == "m-1"
    assert _parse_model_id_if_present("models:/m-1") == "m-1"
    for other in ("models:/a@b", "s3://bucket/a", "runs:/1/a", "folder"):
        assert mlflow_compat.model_id_of(other) is None
    assert parameters(RunsArtifactRepository.get_underlying_uri)[:2] == ["runs_uri", "tracking_uri"]
    uri = mlflow_compat.underlying_uri(f"runs:/{run.run_id}/model", tracking_uri)
    assert uri == f"{run.artifact_uri}/model"


def test_files_of_a_folder(tmp_path, tracking_uri):
    """An artifact repository lists files with their sizes, and writes one to a path."""
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_bytes(b"flavors")
    (tmp_path / "model" / "data" / "model.pkl").write_bytes(b"12345")
    uri = (tmp_path / "model").as_uri()
    files = mlflow_compat.open_files(uri, tracking_uri)
    found = {(each.path, each.is_dir, each.file_size) for each in files.list_artifacts(None)}
    assert found == {("MLmodel", False, 7), ("data", True, None)}
    assert [each.path for each in files.list_artifacts("data")] == ["data/model.pkl"]
    mlflow_compat.download_file(files, "data/model.pkl", tmp_path / "loaded")
    assert (tmp_path / "loaded").read_bytes() == b"12345"
    assert mlflow_compat.has_file(uri, tracking_uri, "MLmodel")
    assert not mlflow_compat.has_file(uri, tracking_uri, "model.pkl")
    assert parameters(ArtifactRepository.log_artifact) == ["self", "local_file", "artifact_path"]
    assert parameters(ArtifactRepository._download_file) == [
        "self",
        "remote_file_path",
        "local_path",
    ]


@pytest.mark.parametrize("uri", ["folder", "/a/folder", "file:///a/folder"])
def test_folders_of_this_machine(uri):
    """They are told from other URIs."""
    assert str(mlflow_compat.local_folder(uri)) == uri.removeprefix("file://")
    for other in ("s3://bucket/a", "mlflow-artifacts:/a", "http://server/a", "hdfs://host/a"):
        assert mlflow_compat.local_folder(other) is None


def test_values_of_a_run(client, tracking_uri):
    """The latest value of each metric has its step; what is logged past the client gets there."""
    run_id = client.create_run("0").info.run_id
    metrics = [Metric("loss", 0.5, 1_700_000_000_000, 3), Metric("loss", 0.4, 1_700_000_000_001, 4)]
    params = [Param(f"p{number}", "1") for number in range(250)]
    mlflow_compat.log_to_run(tracking_uri, run_id, metrics, params)
    run = client.get_run(run_id)
    assert isinstance(run.data._metric_objs, list)
    (latest,) = mlflow_compat.latest_metrics(run)
    assert (latest.key, latest.value, latest.timestamp, latest.step) == (
        "loss",
        0.4,
        1_700_000_000_001,
        4,
    )
    assert len(run.data.params) == 250
    mlflow_compat.end_run(tracking_uri, run_id, "FAILED", 1_700_000_000_002)
    info = client.get_run(run_id).info
    assert (info.status, info.end_time) == ("FAILED", 1_700_000_000_002)


def test_what_a_request_takes():
    """Batches are no larger than MLflow takes them."""
    assert mlflow_compat._MOST_PARAMS <= validation.MAX_PARAMS_TAGS_PER_BATCH
    assert mlflow_compat._MOST_METRICS <= validation.MAX_METRICS_PER_BATCH
    batch = parameters(AbstractTrackingStore.log_batch)
    assert batch == ["self", "run_id", "metrics", "params", "tags"]
    update = parameters(AbstractTrackingStore.update_run_info)
    assert update[:4] == ["self", "run_id", "run_status", "end_time"]
    assert RunStatus.from_string("FINISHED") == RunStatus.FINISHED


def test_the_tag_of_versions():
    """Where MLflow writes which versions a logged model was registered as."""
    assert mlflow_compat.VERSIONS_OF_MODEL == "mlflow.modelVersions"


def test_the_store_of_a_server():
    """It takes a function that gives credentials, and a version's parameters in this order."""
    assert RestStore(lambda: "credentials").get_host_creds() == "credentials"
    assert parameters(RestStore.create_model_version)[:9] == [
        "self",
        "name",
        "source",
        "run_id",
        "tags",
        "run_link",
        "description",
        "local_model_path",
        "model_id",
    ]
    assert parameters(RestStore.get_model_version_download_uri) == ["self", "name", "version"]
    assert parameters(AbstractStore.copy_model_version) == ["self", "src_mv", "dst_name"]
    assert callable(RestStore._validate_workspace_support_if_specified)
    source = inspect.getsource(AbstractStore.copy_model_version)
    assert source.index(".create_registered_model(") < source.index(".create_model_version(")


def test_names_are_all_here():
    """Each private name in ``hokusai/mlflow_compat.py`` is asked for in a test of this file."""
    tree = ast.parse(inspect.getsource(mlflow_compat))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlflow"):
            used |= {each.name for each in node.names}
    private = {each for each in used if each[0] == "_" and each[1] != "_"} - {"_getframe"}
    assert {"_register_model", "_metric_objs", "_parse_model_id_if_present"} <= private
    own = Path(__file__).read_text(encoding="utf-8")
    assert {each for each in private if each not in own} == set()
