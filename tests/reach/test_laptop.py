"""A registry on a server, and runs in the folder where the caller works (R16)."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from reach.left_behind import contents
from support.iris import IrisRun, train_iris_model
from support.registry import token_tags
from support.servers import Server, mlflow_server

from hokusai.core import ModelRegistry
from hokusai.errors import NotTokenAware, RequestRefused

Names = Callable[[], str]


def loaded(name: str, run: IrisRun, monkeypatch: pytest.MonkeyPatch, folder: Path) -> bool:
    """Whether someone elsewhere, with the same registry, gets the model that was made."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    model = mlflow.sklearn.load_model(f"models:/{name}/1")
    return bool(np.array_equal(model.predict(run.sample), run.predicted))


def test_an_unchanged_script(
    laptop: Path,
    registry: MlflowClient,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """log_model with registered_model_name copies the model, which is loaded from elsewhere."""
    name = new_name()
    with mlflow.start_run() as run:
        mlflow.log_param("features", 4)
        mlflow.log_metric("accuracy", 0.9, step=1)
        logged = mlflow.sklearn.log_model(
            train_iris_model(),
            name="model",
            pip_requirements=["scikit-learn"],
            registered_model_name=name,
        )

    version = registry.get_model_version(name, "1")
    assert version.tags == {
        "hokusai_files_sha256": version.tags["hokusai_files_sha256"],
        "hokusai_origin_tracking_uri": f"sqlite:///{laptop}/mlflow.db",
        "hokusai_origin_run_id": run.info.run_id,
        "hokusai_origin_model_id": logged.model_id,
    }
    copy = registry.get_run(version.run_id)
    assert copy.data.params["features"] == "4"
    assert copy.data.metrics == {"accuracy": 0.9}
    model = registry.get_logged_model(version.source.removeprefix("models:/"))
    assert (str(model.status), model.source_run_id) == ("READY", version.run_id)
    monkeypatch.chdir(laptop.parent)
    assert mlflow.pyfunc.load_model(f"models:/{name}/1").metadata.run_id == run.info.run_id


def test_the_manifest(
    laptop: Path, iris_run: IrisRun, registry: MlflowClient, new_name: Names
) -> None:
    """Who loads the model checks by it what was sent, and by the version's tag it itself."""
    name = new_name()
    mlflow.register_model(iris_run.model_uri, name)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path="loaded"))
    manifest = (folder / "hokusai_files.sha256").read_bytes()
    tag = registry.get_model_version(name, "1").tags["hokusai_files_sha256"]
    assert hashlib.sha256(manifest).hexdigest() == tag
    check = ["sha256sum", "--check", "--strict", "hokusai_files.sha256"]
    told = subprocess.run(check, cwd=folder, check=True, capture_output=True, text=True).stdout
    files = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    files -= {"hokusai_files.sha256", "registered_model_meta"}  # MLflow's own note of a download
    assert set(told.splitlines()) == {f"{each}: OK" for each in files}


def test_what_was_logged_of_the_model(
    laptop: Path, iris_run: IrisRun, registry: MlflowClient, new_name: Names
) -> None:
    """Each value of a model is in the copy, as is which run logged it, when and on which data."""
    client = MlflowClient()
    client.log_metric(
        iris_run.run_id, "loss", 0.5, 1_700_000_000_000, 3, model_id=iris_run.model_id
    )
    with mlflow.start_run() as evaluation:
        mlflow.log_metric("accuracy", 0.8, step=7, model_id=iris_run.model_id)
    name = new_name()
    mlflow.register_model(iris_run.model_uri, name)

    version = registry.get_model_version(name, "1")
    model = registry.get_logged_model(version.source.removeprefix("models:/"))
    found = {each.key: each for each in model.metrics}
    assert (found["loss"].value, found["loss"].step) == (0.5, 3)
    assert found["loss"].timestamp == 1_700_000_000_000
    assert found["loss"].run_id == version.run_id
    assert found["accuracy"].value == 0.8
    evaluated = registry.get_run(found["accuracy"].run_id)
    assert evaluated.data.tags["hokusai_origin_run_id"] == evaluation.info.run_id
    assert registry.get_run(version.run_id).data.metrics == {"loss": 0.5}


@pytest.mark.parametrize("uri", ["runs:/{0.run_id}/model", "models:/{0.model_id}"])
def test_register_model(
    laptop: Path,
    iris_run: IrisRun,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
) -> None:
    """mlflow.register_model takes what this folder has logged, and it is loaded from elsewhere."""
    name = new_name()
    version = mlflow.register_model(uri.format(iris_run), name)
    assert int(version.version) == 1
    assert loaded(name, iris_run, monkeypatch, laptop)


def test_register_tokenized_model(
    laptop: Path, iris_run: IrisRun, registry: MlflowClient, new_name: Names
) -> None:
    """A tokenised registration copies too; its value has the evidence that the copy logged it."""
    MlflowClient().log_metric(iris_run.run_id, "accuracy", 0.9)
    name = new_name()
    ModelRegistry().register_tokenized_model(iris_run.model_uri, name, "IRIS-001", "accuracy", 0.9)
    decision = ModelRegistry().ask("deltaone/detect", name=name)["decision"]
    assert decision["evidence"] == "run_backed"
    assert decision["logged_value"] == "0.9"


def test_a_plain_server_that_is_not_the_tracking_server(
    laptop: Path,
    registry_server: Server,
    iris_run: IrisRun,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ModelRegistry reaches from an http registry too, where runs are elsewhere."""
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry_server.uri)
    registry = ModelRegistry()
    assert registry.registry_uri == f"hokusai+{registry_server.uri}"
    registered = registry.register_tokenized_model(
        iris_run.model_uri, new_name(), "IRIS-001", "accuracy", 0.9
    )
    assert registered.model_version.tags["hokusai_origin_run_id"] == iris_run.run_id


def test_a_client_with_a_registry_of_its_own(
    laptop: Path,
    registry_server: Server,
    iris_run: IrisRun,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It registers and copies where the process has no registry set, or another one."""
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    client = MlflowClient(registry_uri=f"hokusai+{registry_server.uri}")
    name, copy = new_name(), new_name()
    client.create_registered_model(name)
    client.create_model_version(name, f"models:/{iris_run.model_id}")
    copied = client.copy_model_version(f"models:/{name}/1", copy)
    assert copied.source == f"models:/{name}/1"
    assert copied.tags["hokusai_origin_run_id"] == iris_run.run_id


def test_a_local_folder(
    laptop: Path, registry: MlflowClient, new_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was saved and never logged is copied as well."""
    name = new_name()
    mlflow.sklearn.save_model(train_iris_model(), "saved", pip_requirements=["scikit-learn"])
    mlflow.register_model("saved", name)
    assert registry.get_model_version(name, "1").run_id == ""
    assert mlflow.sklearn.load_model(f"models:/{name}/1").n_features_in_ == 4


FAILING = {
    "no such run": lambda name, run: mlflow.register_model(f"runs:/{'0' * 32}/model", name),
    "no such logged model": lambda name, run: mlflow.register_model(f"models:/m-{'0' * 32}", name),
    "no such path": lambda name, run: mlflow.register_model(f"runs:/{run.run_id}/other", name),
    "wrong tags": lambda name, run: mlflow.register_model(
        run.model_uri, name, tags=token_tags(benchmark_value="high")
    ),
    "nothing may be copied": lambda name, run: ModelRegistry().register_tokenized_model(
        run.model_uri, name, "IRIS-001", "accuracy", 0.9, copy=False
    ),
    "a folder that is not there": lambda name, run: mlflow.register_model("nowhere", name),
}


REFUSED = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("what", FAILING)
def test_what_fails_leaves_nothing(
    registry_server: Server, iris_run: IrisRun, new_name: Names, what: str
) -> None:
    """No registered model, no copy, no file is left of a registration that cannot be."""
    before = contents(registry_server)
    with pytest.raises(MlflowException) as refused:
        FAILING[what](new_name(), iris_run)
    if what != "no such path":  # that is MLflow's own error, before it asks the store
        assert refused.value.error_code in REFUSED
    assert contents(registry_server) == before


def test_a_model_made_by_hand_stays(
    iris_run: IrisRun, registry: MlflowClient, new_name: Names
) -> None:
    """Only a model that the failing call itself created goes."""
    name = new_name()
    client = MlflowClient()
    client.create_registered_model(name)
    with pytest.raises(MlflowException):
        client.create_model_version(name, f"models:/m-{'0' * 32}")
    with pytest.raises(RequestRefused):
        client.create_model_version(
            name, f"models:/{iris_run.model_id}", tags=token_tags(benchmark_value="high")
        )
    assert registry.get_registered_model(name).name == name


def test_a_registry_without_the_plugin(
    laptop: Path,
    iris_run: IrisRun,
    new_name: Names,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stock server under hokusai+http gets a sentence, and nothing of the registration."""
    with mlflow_server(tmp_path_factory.mktemp("stock"), app_name=None) as stock:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{stock.uri}")
        with pytest.raises(NotTokenAware, match="does not have the Hokusai plugin"):
            mlflow.register_model(iris_run.model_uri, new_name())
        assert contents(stock)["models"] == set()


def test_an_unknown_way_to_copy(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the client that cannot be used is said with what can."""
    monkeypatch.setenv("HOKUSAI_COPY", "sometimes")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "hokusai+http://127.0.0.1:9")
    with pytest.raises(RequestRefused, match="use one of auto, always, never"):
        MlflowClient().search_registered_models()
