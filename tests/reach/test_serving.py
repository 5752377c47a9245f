"""`mlflow models serve` of a model that was registered from elsewhere (R16)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import pytest
import requests
from support.iris import IrisRun

_START_S = 300
_STOP_S = 20


@contextmanager
def serving(model_uri: str, folder: Path) -> Iterator[str]:
    """Serve a model with the command, in a folder where nothing of it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    # MLflow starts uvicorn by its name, as it is found in an active environment.
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = folder / "serving.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_S
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(_STOP_S)


@pytest.mark.timeout(600)
def test_models_serve(
    laptop: Path,
    iris_run: IrisRun,
    new_name: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The command finds the files by the registry's URI alone, and answers as the model does."""
    name = new_name()
    mlflow.register_model(iris_run.model_uri, name)
    with serving(f"models:/{name}/1", tmp_path_factory.mktemp("elsewhere")) as uri:
        body = {"inputs": iris_run.sample.tolist()}
        answer = requests.post(f"{uri}/invocations", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == iris_run.predicted.tolist()
