"""Where ``ModelRegistry`` finds its registry, and what it leaves of MLflow's configuration."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support.listening import Listening
from support.registry import SOURCE
from support.servers import Server, mlflow_server

from hokusai.core import ModelRegistry
from hokusai.errors import NotTokenAware

NewName = Callable[[str], str]


def register(registry: ModelRegistry, name: str, token_id: str = "IMG-001") -> None:
    registry.register_tokenized_model(SOURCE, name, token_id, "accuracy", "0.85")


def configuration() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    return {**environment, "registry": mlflow.get_registry_uri(), "run": mlflow.get_tracking_uri()}


def test_nothing_configured(new_token: str) -> None:
    """A bare installation's database is opened in process, with the token rules enforced."""
    registry = ModelRegistry()
    register(registry, "model", new_token)

    assert registry.registry_uri == f"hokusai+{mlflow.get_registry_uri()}"
    assert Path("mlflow.db").is_file()
    # MLflow's own client sees the same model in its stock store.
    assert MlflowClient().get_model_version("model", "1").tags["hokusai_token_id"] == new_token


def test_mlflows_setters(server: Server, new_name: NewName, new_token: str) -> None:
    """A registry set in MLflow is taken when the client is made, as ``MlflowClient`` does it."""
    before = ModelRegistry()
    mlflow.set_registry_uri(server.uri)
    try:
        after = ModelRegistry()
    finally:
        mlflow.set_registry_uri(None)  # type: ignore[arg-type]  # "" would outdo the environment
        del os.environ["MLFLOW_REGISTRY_URI"]

    register(after, new_name("model"), new_token)

    assert [version.name for version in after.list_models_by_token(new_token)] == [
        new_name("model")
    ]
    assert before.list_models_by_token(new_token) == []


def test_explicit_registries(server: Server, tmp_path: Path, new_name: NewName) -> None:
    """A registration goes to the registry of its client, and MLflow's configuration stays."""
    database = f"sqlite:///{tmp_path / 'mine.db'}"
    registries = [
        ModelRegistry(database, tracking_uri=database),
        ModelRegistry(f"hokusai+{database}"),
        ModelRegistry(server.uri),
        ModelRegistry(tracking_uri=server.uri),
    ]
    before = configuration()

    for registry in registries:
        register(registry, new_name("model"))

    assert configuration() == before
    assert [len(registry.get_model_lineage(new_name("model"))) for registry in registries] == [
        2
    ] * 4
    with pytest.raises(MlflowException, match="not found"):
        ModelRegistry().get_model_lineage(new_name("model"))


def test_configuration_stays_while_models_are_registered(
    server: Server, new_name: NewName, new_token: str
) -> None:
    """Other threads of the process find MLflow's settings at every moment as they set them."""
    registry = ModelRegistry(server.uri)
    item = {"uri": SOURCE, "token_id": new_token, "metric": "accuracy", "value": "0.85"}
    items = [{**item, "name": new_name(f"model-{number}")} for number in range(5)]
    before, seen = configuration(), []

    with ThreadPoolExecutor(1) as thread:
        results = thread.submit(registry.register_tokenized_models, items, progress=False)
        while not results.done():
            seen.append(configuration())

    assert [result.version for result in results.result()] == ["1"] * 5
    assert all(each == before for each in seen)


def test_threads(server: Server, tmp_path: Path, new_name: NewName) -> None:
    """Threads that register in different registries at once do not mix them up."""
    registries = {
        "database": ModelRegistry(f"sqlite:///{tmp_path / 'mine.db'}"),
        "server": ModelRegistry(server.uri),
    }

    with ThreadPoolExecutor(8) as threads:
        for place in ["database", "server"] * 8:
            threads.submit(register, registries[place], new_name(place))

    for place, registry in registries.items():
        assert len(registry.get_model_lineage(new_name(place))) == 8


def test_configuration_after_an_error(connected: Server, tmp_path: Path, new_name: NewName) -> None:
    """MLflow's configuration stays what it was when a registration fails half-way."""
    elsewhere = ModelRegistry(f"sqlite:///{tmp_path / 'mine.db'}")
    before = configuration()

    with pytest.raises(MlflowException, match="not found"):
        elsewhere.register_tokenized_model(
            "runs:/nobody/model", "model", "IMG-001", "accuracy", "0.85"
        )

    assert configuration() == before
    assert mlflow.get_registry_uri() == connected.uri


@pytest.mark.parametrize(
    "uri",
    ["./mlruns", "file:///srv/mlruns", "databricks", "databricks-uc://profile", "uc:http://x"],
)
def test_registries_that_cannot_be(uri: str) -> None:
    """Folders and Databricks are refused at once, with what to set instead."""
    with pytest.raises(NotTokenAware, match=r"MLFLOW_REGISTRY_URI.*hokusai-mlflow server"):
        ModelRegistry(uri)


def test_folder_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's old default, a folder of files, is refused, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")

    with pytest.raises(NotTokenAware, match=r"'\./mlruns' cannot be token-aware"):
        ModelRegistry()


def test_server_without_the_plugin(stock_server: Server) -> None:
    """Nothing is registered on a server that would not enforce anything; the error says why."""
    registry = ModelRegistry(stock_server.uri)

    for query in (
        lambda: register(registry, "model"),
        lambda: registry.list_models_by_token("IMG-001"),
        lambda: registry.get_model_lineage("model"),
    ):
        with pytest.raises(NotTokenAware, match=r"does not have the Hokusai plugin.*--app-name"):
            query()
    assert MlflowClient(registry_uri=stock_server.uri).search_registered_models() == []


def test_page_instead_of_an_answer(listening: Listening) -> None:
    """A page for people, such as a proxy's login form, is no answer of a registry."""
    listening.answer, listening.content_type = "<html>Log in</html>", "text/html"
    with_password = listening.url.replace("http://", "http://me:secret@")

    with pytest.raises(NotTokenAware, match="does not have the Hokusai plugin") as caught:
        ModelRegistry(with_password).list_models_by_token("IMG-001")

    assert "secret" not in str(caught.value)


def test_refused_access(listening: Listening) -> None:
    """A server that refuses access is quoted; it is not taken for one without the plugin."""
    listening.status, listening.answer = 403, "Permission denied"

    with pytest.raises(MlflowException, match="Permission denied") as caught:
        ModelRegistry(listening.url).list_models_by_token("IMG-001")

    assert caught.value.error_code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        (
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"},
            "Basic " + base64.b64encode(b"me:secret").decode(),
        ),
        ({"MLFLOW_TRACKING_TOKEN": "token"}, "Bearer token"),
    ],
)
def test_credentials(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], header: str
) -> None:
    """The credentials are those that MLflow's own requests carry."""
    listening.answer = '{"model_versions": []}'
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    ModelRegistry(listening.url).list_models_by_token("IMG-001")

    assert listening.next().headers["Authorization"] == header


def test_workspaces(tmp_path: Path) -> None:
    """Registrations and queries stay inside the active workspace."""
    with mlflow_server(tmp_path, "--enable-workspaces") as server:
        MlflowClient(server.uri).create_workspace("team-a")
        registry = ModelRegistry(server.uri, tracking_uri=server.uri)
        found = {}
        for workspace, token_id, names in (
            ("default", "IMG-001", ["ours", "theirs"]),
            ("team-a", "IMG-002", ["ours"]),
        ):
            with mlflow.utils.workspace_context.WorkspaceContext(workspace):
                for name in names:
                    register(registry, name, token_id)
        for workspace in ("default", "team-a"):
            with mlflow.utils.workspace_context.WorkspaceContext(workspace):
                for token_id in ("IMG-001", "IMG-002"):
                    listed = registry.list_models_by_token(token_id)
                    found[workspace, token_id] = {version.name for version in listed}

    assert {key: names for key, names in found.items() if names} == {
        ("default", "IMG-001"): {"ours", "theirs"},
        ("team-a", "IMG-002"): {"ours"},
    }


def test_workspace_of_a_server_without(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace is never silently ignored: a server that has none refuses."""
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")

    with pytest.raises(MlflowException, match=r"not support workspaces|workspaces are not enabled"):
        ModelRegistry(server.uri).list_models_by_token("IMG-001")
