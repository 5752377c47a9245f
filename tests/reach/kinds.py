"""Where runs can be: each kind of tracking that a registry on a server is used with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from security.accounts import ADMIN, auth_environ
from support.servers import Server, mlflow_server

Patch = pytest.MonkeyPatch
Kind = Callable[[Path, Server, Patch], "contextmanager[None]"]
_BUCKET = "models"


@contextmanager
def laptop(_folder: Path, _registry: Server, _patch: Patch) -> Iterator[None]:
    """Nothing is configured: MLflow keeps a SQLite database and files in the working folder."""
    yield


@contextmanager
def files(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    patch.setenv("MLFLOW_TRACKING_URI", str(folder / "mlruns"))
    yield


@contextmanager
def stock(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    with mlflow_server(folder, app_name=None) as server:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        yield


@contextmanager
def stock_unproxied(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    options = ("--no-serve-artifacts", "--default-artifact-root", str(folder / "artifacts"))
    with mlflow_server(folder, *options, app_name=None) as server:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        yield


@contextmanager
def stock_with_accounts(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    with mlflow_server(folder, app_name="basic-auth", environ=auth_environ(folder)) as server:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
        yield


@contextmanager
def stock_on_s3(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    s3 = {
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in s3.items():
        patch.setenv(name, value)
    boto3.client("s3", endpoint_url=s3["MLFLOW_S3_ENDPOINT_URL"]).create_bucket(Bucket=_BUCKET)
    options = ("--no-serve-artifacts", "--default-artifact-root", f"s3://{_BUCKET}")
    try:
        with mlflow_server(folder, *options, app_name=None, environ=s3) as server:
            patch.setenv("MLFLOW_TRACKING_URI", server.uri)
            yield
    finally:
        store.stop()


@contextmanager
def another_plugin_server(folder: Path, _registry: Server, patch: Patch) -> Iterator[None]:
    with mlflow_server(folder) as server:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        yield


@contextmanager
def registry_itself(_folder: Path, registry: Server, patch: Patch) -> Iterator[None]:
    patch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    yield


KINDS = {
    "SQLite, MLflow's default": laptop,
    "`./mlruns`": files,
    "stock server": stock,
    "stock server, files in a folder": stock_unproxied,
    "stock server with users": stock_with_accounts,
    "stock server, files in S3": stock_on_s3,
    "another server with the plugin": another_plugin_server,
    "the registry's own server": registry_itself,
}
"""By the names that docs/operations.md has for them."""
