"""Registrations that end in the middle leave nothing that is not found and removed (R16)."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from reach.left_behind import contents
from support import prepared
from support.iris import IrisRun, log_iris_model
from support.servers import Server, mlflow_server

from hokusai.reach import transfers
from hokusai.reach.tidying import left_overs, remove

Names = Callable[[], str]
CLIENT = str(Path(__file__).with_name("killed_client.py"))
EVER = 2**53


def tidied(server_uri: str) -> int:
    """Remove what is left over; how much that was."""
    found = left_overs(server_uri, EVER)
    for each in found:
        remove(server_uri, each)
    assert left_overs(server_uri, EVER) == []
    return len(found)


def assert_whole(server: Server) -> None:
    """Each version has its files, each file is named by a logged model that is there."""
    client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
    for version in client.search_model_versions():
        source = version.source.removeprefix("models:/")
        if "/" not in source:  # else it is a copy of a version, inside the registry
            client.get_logged_model(source)
        uri = client.get_model_version_download_uri(version.name, version.version)
        assert transfers.Files(uri, server.uri).list()
    held = contents(server)
    for file in held["files"]:
        assert any(model in file for model in held["logged models"]), file


def run_client(folder: Path, run: IrisRun, name: str, at: int, how: str) -> int:
    """Run the client that is ended at a request; 0 where it came to its end before."""
    done = prepared.run(
        [CLIENT, f"models:/{run.model_id}", name, str(at), how], cwd=folder, env=dict(os.environ)
    )
    return done.returncode


@pytest.fixture
def own_server(
    laptop: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A registry of one test's own: others leave there what is not whole, or is elsewhere."""
    with mlflow_server(tmp_path_factory.mktemp("own")) as server:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{server.uri}")
        yield server


def test_a_killed_client(
    laptop: Path, iris_run: IrisRun, own_server: Server, new_name: Names
) -> None:
    """Wherever it is killed, versions are whole; what is left beside them is tidied away."""
    before = contents(own_server)
    tidied_in_all = 0
    for at in itertools.count(1):
        name = new_name()
        ended = run_client(laptop, iris_run, name, at, "SIGKILL")
        tidied_in_all += tidied(own_server.uri)
        assert_whole(own_server)
        after = contents(own_server)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        client = MlflowClient(registry_uri=own_server.uri)
        if client.search_model_versions(f"name = '{name}'"):
            before = contents(own_server)  # killed behind the creation of the version
        elif name in after["models"]:
            # Killed between the two requests that create the model and the first row of the copy.
            client.delete_registered_model(name)
        else:
            assert after == before
        assert at < 60
    assert tidied_in_all > 10


def test_an_interrupted_client(
    laptop: Path, iris_run: IrisRun, registry_server: Server, new_name: Names
) -> None:
    """Who presses Ctrl-C while files are copied leaves nothing, without tidying."""
    before = contents(registry_server)
    for at in (9, 13, 17):
        assert run_client(laptop, iris_run, new_name(), at, "SIGINT") != 0
        assert contents(registry_server) == before


def test_a_file_that_arrives_damaged(
    iris_run: IrisRun,
    registry_server: Server,
    new_name: Names,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A file that is not whole on the server is no registration."""
    before = contents(registry_server)
    copy = transfers._copy

    def damaging(source: transfers.Files, target: transfers.Files, listed: transfers.Listed) -> Any:
        sent = copy(source, target, listed)
        if listed.path == "MLmodel":
            (tmp_path / "MLmodel").write_bytes(b"flavors")
            target.repository.log_artifact(str(tmp_path / "MLmodel"))
        return sent

    monkeypatch.setattr(transfers, "_copy", damaging)
    with pytest.raises(MlflowException, match=r"'MLmodel' .* not copied whole: .* 7 arrived"):
        mlflow.register_model(iris_run.model_uri, new_name())
    assert contents(registry_server) == before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not wait minutes for a server to come back."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


def killing(server: Server, after: int) -> Callable[..., Any]:
    """A copy of one file that kills a server before the given one."""
    copy, counter, lock = transfers._copy, itertools.count(1), threading.Lock()

    def killed(*args: Any) -> Any:
        with lock:
            if next(counter) == after:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
        return copy(*args)

    return killed


@pytest.mark.usefixtures("impatient")
def test_a_killed_registry_server(
    laptop: Path,
    iris_run: IrisRun,
    new_name: Names,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A registry that dies while it is copied to has no version, and is tidied when it is back."""
    folder = tmp_path_factory.mktemp("dying")
    with mlflow_server(folder) as server:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{server.uri}")
        with monkeypatch.context() as patch:
            patch.setattr(transfers, "_copy", killing(server, 3))
            with pytest.raises(MlflowException):
                mlflow.register_model(iris_run.model_uri, new_name())
    with mlflow_server(folder) as server:
        assert MlflowClient(registry_uri=server.uri).search_model_versions() == []
        assert tidied(server.uri) == 1
        assert not any(contents(server).values())
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"hokusai+{server.uri}")
        mlflow.register_model(iris_run.model_uri, new_name())
        assert_whole(server)


@pytest.mark.usefixtures("impatient")
def test_a_killed_tracking_server(
    laptop: Path,
    registry_server: Server,
    new_name: Names,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tracking server that dies while it is copied from leaves nothing on the registry."""
    with mlflow_server(tmp_path_factory.mktemp("tracking"), app_name=None) as tracking:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
        run = log_iris_model()
        before = contents(registry_server)
        monkeypatch.setattr(transfers, "_copy", killing(tracking, 2))
        with pytest.raises(Exception, match=r"refused|Max retries|failed|broken"):
            mlflow.register_model(f"models:/{run.model_id}", new_name())
        assert contents(registry_server) == before


def test_the_command(
    laptop: Path, iris_run: IrisRun, registry_server: Server, new_name: Names
) -> None:
    """`registry tidy` lists what is old enough, and removes it only when told to."""
    before = contents(registry_server)
    name = new_name()
    run_client(laptop, iris_run, name, 14, "SIGKILL")
    command = [str(Path(sys.executable).with_name("hokusai-mlflow")), "registry", "tidy"]

    def told(*options: str) -> str:
        done = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
        return done.stdout

    assert told() == "0 unfinished registrations: nothing was changed, --apply does it.\n"
    listed = told("--older-than", "0")
    assert name in listed
    assert "1 unfinished registration: nothing was changed" in listed
    assert contents(registry_server) != before
    assert "1 unfinished registration: done." in told("--older-than", "0", "--apply")
    assert contents(registry_server) == before
