"""``hokusai-mlflow server``: MLflow's server, where the token rules are enforced or not at all."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
import requests
from cli.commands import failed, run
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support import prepared
from support.registry import VALUE, token_tags
from support.servers import _environment, _free_port, _stop

COMMAND = ["-c", "from hokusai_mlflow_plugin.cli import main; main()", "server"]
START_SECONDS = 120


@contextmanager
def serving(folder, *options):
    """Run the command on a free port of 127.0.0.1 until the block ends."""
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = prepared.start(
            [*COMMAND, "-h", "127.0.0.1", "--port", str(port), "--workers", "1", *options],
            cwd=folder,
            env=_environment({}),
            stdout=log,
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        wait_until_healthy(uri, process)
        yield uri
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
    with serving(folder) as uri:
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
    with serving(folder, "--backend-store-uri", old_database_uri) as uri:
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
def test_tables_that_may_not_be_migrated(database_uri):
    """With HOKUSAI_AUTO_MIGRATE off, the command to run is named, without a traceback."""
    environ = {"HOKUSAI_AUTO_MIGRATE": "false"}
    done = run("server", "--backend-store-uri", database_uri, environ=environ)
    assert "hokusai-mlflow db upgrade" in failed(done)


def test_help_shows_mlflows_options():
    """Every option of MLflow's is listed, but the one that the command sets itself."""
    output = run("server", "--help").output
    ours, theirs = output.split("Options of 'mlflow server':")
    assert "--auth" in ours
    assert "-h, --host" in theirs
    assert "--enable-workspaces" in theirs
    assert "--app-name" not in theirs
