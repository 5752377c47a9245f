"""``hokusai-mlflow server``: MLflow's server, where the token rules are enforced or not at all."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
import requests
from cli.commands import failed, run
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url
from support import prepared
from support.registry import VALUE, token_tags
from support.servers import _environment, _free_port, _stop

server = importlib.import_module("hokusai_mlflow_plugin.cli.server")  # the name is the command's

PROGRAM = ["-c", "from hokusai_mlflow_plugin.cli import main; main()", "server"]
COMMAND = [sys.executable, *PROGRAM]
START_SECONDS = 120


@contextmanager
def serving(folder, *options):
    """Run the command on a free port of 127.0.0.1 until the block ends."""
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = prepared.start(
            [*PROGRAM, "-h", "127.0.0.1", "--port", str(port), "--workers", "1", *options],
            cwd=folder,
            env=_environment({}),
            stdout=log,
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_until_healthy(uri, process)
        yield uri, process
    finally:
        _stop(process)


def wait_until_healthy(uri, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{uri}/health", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError("it does not serve")


def test_without_options(folder):
    """Database and artifacts are in the working folder, and the rules are enforced."""
    with serving(folder) as (uri, _process):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.create_registered_model("model")
        with pytest.raises(MlflowException, match="must be numeric"):
            client.create_model_version("model", "s3://x/y", tags=token_tags(**{VALUE: "nan"}))
        client.create_model_version("model", "s3://x/y", tags=token_tags(), await_creation_for=0)
        assert run("token", "list", "--registry-uri", uri).lines[-1].startswith("IMG-001")
    assert (folder / "hokusai.db").is_file()
    assert run("index", "verify", "sqlite:///hokusai.db").status == 0


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_old_database_is_taken_over(old_database_uri, folder):
    """What is older than the plugin is indexed before the server answers."""
    with serving(folder, "--backend-store-uri", old_database_uri) as (uri, _process):
        found = run("model", "lineage", "good", "--registry-uri", uri, "--output", "json").json
    assert [item["benchmark_value"] for item in found["lineage"]] == ["0.5", "0.7"]


REFUSED = [
    ("--app-name", "basic-auth"),
    ("--artifacts-only",),
    ("--dev",),
]


@pytest.mark.parametrize("options", REFUSED, ids=lambda options: options[0])
def test_options_without_enforcement(options, folder):
    """MLflow would serve another app, or no registry."""
    assert f"{options[0]} cannot be used here" in failed(run("server", *options), 2)
    assert list(folder.iterdir()) == []


def test_variable_without_enforcement():
    """The same by MLflow's environment variable."""
    done = run("server", environ={"MLFLOW_ARTIFACTS_ONLY": "true"})
    assert "--artifacts-only cannot be used here" in failed(done, 2)


@pytest.mark.parametrize("option", ["--backend-store-uri", "--registry-store-uri"])
@pytest.mark.parametrize(
    "uri",
    [
        "./mlruns",
        "file:///tmp/mlruns",
        "http://user:s3cret@127.0.0.1:1",
        "databricks",
        "postgresql+asyncpg://user:s3cret@host/x",
        "hokusai+postgresql+asyncpg://user:s3cret@host/x",
    ],
)
def test_registry_without_enforcement(option, uri):
    """MLflow would open another registry on it, or none."""
    sentence = failed(run("server", option, uri))
    assert "has to be a SQL database" in sentence
    assert "s3cret" not in sentence


def test_usage_is_mlflows():
    """Options that MLflow does not have, or does not take so, are usage errors."""
    assert "'--prot'" in failed(run("server", "--prot", "1"), 2)
    assert "'abc' is not a valid integer" in failed(run("server", "--port", "abc"), 2)


def test_setting_that_cannot_be_used():
    """Settings are checked before MLflow starts."""
    done = run("server", environ={"HOKUSAI_AUTO_MIGRATE": "perhaps"})
    assert "HOKUSAI_AUTO_MIGRATE is 'perhaps'" in failed(done)


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_tables_that_may_not_be_migrated(stock_database_uri):
    """With HOKUSAI_AUTO_MIGRATE off, the command to run is named, without a traceback."""
    environ = {"HOKUSAI_AUTO_MIGRATE": "false"}
    done = run("server", "--backend-store-uri", stock_database_uri, environ=environ)
    assert "hokusai-mlflow db upgrade" in failed(done)


def listed(folder, command, environ, *options):
    """What a server that was started so looks like: processes, their MB, its port's state."""
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), *options],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        time.sleep(3)  # job workers come after the server
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        return len(family), sum(each.memory_full_info().pss for each in family) / 1e6
    finally:
        _stop(process)


def test_lean_start(folder):
    """One worker on SQLite, and no job workers: at most 3 processes and 700 MB."""
    environ = _environment({})
    del environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"]
    processes, megabytes = listed(folder, COMMAND, environ)
    assert processes <= 3
    assert megabytes <= 700


@pytest.mark.parametrize(
    ("given", "uri", "environ", "workers", "jobs"),
    [
        ([], "sqlite:///x.db", {}, ["--workers", "1"], "false"),
        ([], "postgresql://host/x", {}, [], "false"),
        (["--workers", "3"], "sqlite:///x.db", {}, [], "false"),
        (["-w", "3"], "hokusai+sqlite:///x.db", {}, [], "false"),
        ([], "sqlite:///x.db", {"MLFLOW_WORKERS": "2"}, [], "false"),
        (
            [],
            "sqlite:///x.db",
            {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true"},
            ["--workers", "1"],
            "true",
        ),
    ],
)
def test_what_is_asked_for_wins(monkeypatch, given, uri, environ, workers, jobs):
    """Options and variables of MLflow's mean what they mean to MLflow."""
    handed = []
    monkeypatch.setattr(server, "_run", lambda _command, options, _engine: handed.extend(options))
    monkeypatch.setattr(server, "_take_over", lambda _uri, _settings: None)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the command sets a variable for MLflow
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    done = run("server", "--port", str(_free_port()), "--backend-store-uri", uri, *given)
    assert done.status == 0, done
    assert handed[len(given) + 10 :] == workers
    assert os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == jobs


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://user:s3cret@127.0.0.1:1/x",
        "mysql+pymysql://user:s3cret@127.0.0.1:1/x",
    ],
)
@pytest.mark.parametrize("others", [(), ("--registry-store-uri", "sqlite:///x.db")])
def test_database_that_does_not_answer(uri, others):
    """A sentence at once, where MLflow would ask again for minutes."""
    began = time.monotonic()
    sentence = failed(
        run("server", "--port", str(_free_port()), "--backend-store-uri", uri, *others)
    )
    assert sentence.startswith("The database cannot be used: ")
    assert "s3cret" not in sentence
    assert time.monotonic() - began < 60  # MLflow gives up after 100, and more


@pytest.mark.parametrize("empty_database_uri", ["postgresql", "mysql"], indirect=True)
def test_database_that_is_not_there(empty_database_uri):
    """The server of databases is there, but not this database."""
    uri = make_url(empty_database_uri).set(database="no_such_database")
    uri = uri.render_as_string(hide_password=False)
    done = run("server", "--port", str(_free_port()), "--backend-store-uri", uri)
    assert "no_such_database" in failed(done)


def test_address_in_use(folder):
    """It is said at once, before a database is made, and the status tells scripts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("server", "--port", str(port))
        assert f"Port {port} of 127.0.0.1 is in use" in failed(done)
    assert list(folder.iterdir()) == []


def test_host_that_is_none():
    """An address of another machine."""
    assert "cannot listen on 192.0.2.1" in failed(run("server", "--host", "192.0.2.1"))


def test_web_server_that_fails(folder):
    """MLflow ends with status 0 whatever became of it; this command does not."""
    options = ["--port", str(_free_port()), "--uvicorn-opts", "--no-such-option"]
    done = subprocess.run(
        [*COMMAND, *options], cwd=folder, env=_environment({}), capture_output=True, check=False
    )
    assert done.returncode == 2


def test_asked_to_stop(folder):
    """SIGTERM is no failure."""
    with serving(folder) as (_uri, process):
        process.terminate()
        assert process.wait(30) == 0


def test_help_shows_mlflows_options():
    """Every option of MLflow's is listed, but the one that the command sets itself."""
    output = run("server", "--help").output
    ours, theirs = output.split("Options of 'mlflow server':")
    assert "--auth" in ours
    assert "-h, --host" in theirs
    assert "--enable-workspaces" in theirs
    assert "--app-name" not in theirs
    assert "sqlite:///hokusai.db" in theirs
    assert "mlflow.db" not in theirs
