"""Two servers that start together, each by ``hokusai-mlflow server``."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import requests
from mlflow.server import handlers
from sqlalchemy import create_engine
from support.servers import _environment, _free_port, _stop, _wait_until_healthy

from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.store.mlflow_compat import starting

COMMAND = [sys.executable, "-c", "from hokusai_mlflow_plugin.cli import main; main()", "server"]


@pytest.mark.parametrize("empty_database_uri", ["postgresql", "mysql"], indirect=True)
def test_on_an_empty_database(empty_database_uri, tmp_path):
    """Both serve: MLflow's own tables and default experiment are made by one of them."""
    running = []
    try:
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            port = _free_port()
            log = folder / "server.log"
            options = ["--backend-store-uri", empty_database_uri, "--workers", "1"]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*COMMAND, "--host", "127.0.0.1", "--port", str(port), *options],
                    cwd=folder,
                    env=_environment({}),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            running.append((f"http://127.0.0.1:{port}", process, log))
        for uri, process, log in running:
            _wait_until_healthy(f"{uri}/health", process, log)
            answer = requests.get(f"{uri}/api/2.0/hokusai/tokens/list", timeout=30)
            assert answer.json() == {"tokens": []}
            assert "Traceback" not in log.read_text()
    finally:
        for _uri, process, _log in running:
            _stop(process)


@pytest.mark.parametrize("empty_database_uri", ["postgresql", "mysql"], indirect=True)
def test_stores_are_opened_by_one_at_a_time(empty_database_uri, monkeypatch):
    """While one server has MLflow open its stores, another one waits for it."""
    entered = threading.Event()

    def start_another():
        engine = create_engine(empty_database_uri)
        with migrations.starting_alone(engine):
            entered.set()
        engine.dispose()

    other = threading.Thread(target=start_another)

    def opening():
        other.start()
        return entered.wait(1)

    monkeypatch.setattr(handlers, "initialize_backend_stores", opening)
    with starting.stores_opened_alone(create_engine(empty_database_uri)):
        assert handlers.initialize_backend_stores() is False
    other.join(30)
    assert entered.is_set()
    assert handlers.initialize_backend_stores is opening
