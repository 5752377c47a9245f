"""The plugin under each web server that MLflow runs, and its refusal to start unenforced."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from support.registry import SOURCE, TOKEN, token_tags
from support.servers import ServerStopped, mlflow_server

from hokusai.core import ModelRegistry

WEB_SERVERS = {
    "uvicorn": ["--workers", "2"],
    "gunicorn": ["--workers", "2", "--gunicorn-opts", "--timeout 120"],
    "waitress": ["--waitress-opts", "--threads=2"],
}


@pytest.mark.parametrize("options", WEB_SERVERS.values(), ids=WEB_SERVERS)
def test_web_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Sequence[str]
) -> None:
    """Under each web server, with several workers, bad tags are refused and good ones found, from
    the first start on.
    """
    with mlflow_server(tmp_path, *options, is_first_start=True) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        with pytest.raises(MlflowException, match="Token ID format invalid"):
            mlflow.register_model(SOURCE, "bad", tags=token_tags(**{TOKEN: "bad"}))
        mlflow.register_model(SOURCE, "good", tags=token_tags())
        found = ModelRegistry().list_models_by_token("IMG-001")
        page = requests.get(f"{server.uri}/hokusai/token?token_id=IMG-001", timeout=60)
        (style,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page.text)
        statuses = {
            path: requests.request(method, server.uri + path, timeout=60).status_code
            for method, path in (("GET", style), ("HEAD", "/hokusai/"), ("POST", "/hokusai/try"))
        }

    assert [version.name for version in found] == ["good"]
    assert page.status_code == HTTPStatus.OK
    assert "good" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert list(statuses.values()) == [200, 200, 405]


@pytest.mark.parametrize(
    "loop", [(), ("--uvicorn-opts", "--loop asyncio")], ids=["default", "asyncio"]
)
def test_kept_connection_answers_at_once(tmp_path: Path, loop: Sequence[str]) -> None:
    """With several workers no answer waits for a delayed acknowledgement, under any event loop."""
    least_delay_s = 0.04  # Linux's TCP_DELACK_MIN
    with mlflow_server(tmp_path, "--workers", "2", *loop) as server:
        connection = http.client.HTTPConnection(urlsplit(server.uri).netloc, timeout=60)
        taken_s = []
        for _request in range(60):
            begin = time.monotonic()
            connection.request("GET", "/health")
            connection.getresponse().read()
            taken_s.append(time.monotonic() - begin)
        connection.close()

    # Linux acknowledges the first packets at once; and on a busy machine some answers are late.
    assert sorted(taken_s[20:])[10] < least_delay_s


def test_static_prefix(tmp_path: Path) -> None:
    """With ``--static-prefix`` our routes are where MLflow's own are (3.12 moved those, too)."""
    places = [f"{prefix}{api}" for prefix in ("", "/mlflow") for api in ("/api", "/ajax-api")]
    with mlflow_server(tmp_path, "--static-prefix", "/mlflow", health="/mlflow/health") as server:
        statuses = {
            route: [
                requests.get(f"{server.uri}{place}/2.0/{route}", timeout=60).status_code
                for place in places
            ]
            for route in ("mlflow/registered-models/search", "hokusai/tokens/list")
        }
        pages = [
            requests.get(f"{server.uri}{prefix}/hokusai/", timeout=60) for prefix in ("", "/mlflow")
        ]
        (clients,) = [
            place.removesuffix("/api")
            for place, status in zip(places, statuses["hokusai/tokens/list"], strict=True)
            if place.endswith("/api") and status == HTTPStatus.OK
        ]
        registry = ModelRegistry(server.uri + clients, tracking_uri=server.uri + clients)
        registry.register_tokenized_model(SOURCE, "model", "IMG-001", "accuracy", "0.85")
        found = registry.list_models_by_token("IMG-001")

    assert [page.status_code for page in pages] == [404, 200]
    assert statuses["hokusai/tokens/list"] == statuses["mlflow/registered-models/search"]
    assert [version.name for version in found] == ["model"]


@pytest.mark.parametrize("options", WEB_SERVERS.values(), ids=WEB_SERVERS)
def test_stock_store(tmp_path: Path, options: Sequence[str]) -> None:
    """On a store without the plugin the server ends, and says what to do."""
    stock = f"sqlite:///{tmp_path / 'mlflow.db'}"

    with (
        pytest.raises(ServerStopped, match=r"is not token-aware.*--registry-store-uri"),
        mlflow_server(tmp_path, *options, registry_uri=stock),
    ):
        pass
