"""The proxy of the deployment, a real nginx, with what a browser sends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography.fernet import Fernet
from support.databases import REQUIRE_VARIABLE
from support.servers import mlflow_server
from support.tls import PrivateAuthority

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
PUBLIC = "https://registry.example"


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        missing = pytest.fail if os.environ.get(REQUIRE_VARIABLE) else pytest.skip
        missing("nginx is not installed")
    return found


@contextmanager
def _proxy(nginx: str, server_uri: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The proxy's URI, and the file of the authority that signed its certificate."""
    authority = PrivateAuthority(folder)
    certificate = str(authority.server_file())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = CONFIGURATION.read_text()
    for deployed, here in {
        "/tmp/": f"{folder}/",  # noqa: S108  # in the container it is its own
        "server:5000": urlsplit(server_uri).netloc,
        "listen 8443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/tls/fullchain.pem": certificate,
        "/etc/nginx/tls/privkey.pem": certificate,
    }.items():
        assert deployed in text
        text = text.replace(deployed, here)
    (folder / "nginx.conf").write_text(text)
    command = [nginx, "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _attempt in range(100):
            if process.poll() is not None or _listens(port):
                break
            time.sleep(0.1)
        yield f"https://localhost:{port}", str(authority.ca_file)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _headers(origin: str) -> dict[str, str]:
    """What a browser sends from a page of an origin to the registry."""
    is_own = origin == PUBLIC
    site = "same-origin" if is_own else "cross-site"
    return {
        "Host": urlsplit(PUBLIC).netloc,
        "Origin": origin,
        "Referer": f"{origin}/",
        "Sec-Fetch-Site": site,
        "Sec-Fetch-Mode": "cors",
    }


def test_ui_writes_behind_the_proxy(nginx: str, tmp_path: Path) -> None:
    """With its public origin allowed the UI's writes pass the proxy; a foreign page's do not."""
    environ = {"MLFLOW_SERVER_ALLOWED_HOSTS": "registry.example,127.0.0.1:*"}
    environ["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = PUBLIC
    with (
        mlflow_server(tmp_path, environ=environ) as server,
        _proxy(nginx, server.uri, tmp_path) as (uri, authority),
        requests.Session() as browser,
    ):
        browser.trust_env = False  # no authorities from the environment
        browser.verify = authority
        answers = {
            origin: browser.post(
                f"{uri}/ajax-api/2.0/mlflow/registered-models/create",
                json={"name": f"model-{number}"},
                headers=_headers(origin),
                timeout=60,
            )
            for number, origin in enumerate((PUBLIC, "https://elsewhere.example"))
        }
        large = browser.put(
            f"{uri}/api/2.0/mlflow-artifacts/artifacts/large.bin",
            data=bytes(5_000_000),
            headers=_headers(PUBLIC),
            timeout=60,
        )
        foreign_host = browser.get(f"{uri}/", headers={"Host": "elsewhere.example"}, timeout=60)

    own, foreign = answers.values()
    assert own.status_code == HTTPStatus.OK, own.text
    assert "max-age" in own.headers["Strict-Transport-Security"]
    assert (foreign.status_code, foreign.text) == (403, "Cross-origin request blocked")
    assert large.status_code == HTTPStatus.OK, large.text
    assert foreign_host.status_code == HTTPStatus.FORBIDDEN


def test_secrets_of_webhooks_outlive_a_restart(tmp_path: Path) -> None:
    """With the key in the environment each worker reads what any worker has written."""
    environ = {
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    }
    body = {
        "name": "hook",
        "url": "https://127.0.0.1/hook",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
        "secret": "of the receiver",
    }
    statuses = []
    for start in range(2):
        with mlflow_server(tmp_path, "--workers", "2", environ=environ) as server:
            webhooks = f"{server.uri}/api/2.0/mlflow/webhooks"
            if start == 0:
                created = requests.post(webhooks, json=body, timeout=60)
                assert created.status_code == HTTPStatus.OK, created.text
            # Each on a connection of its own, so that both workers come to answer.
            statuses += [requests.get(webhooks, timeout=60).status_code for _asked in range(10)]

    assert set(statuses) == {HTTPStatus.OK}
