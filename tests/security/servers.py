"""Asking a live server, as a client library would and as none would."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from support.servers import mlflow_server

PREFIX = "/api/2.0/hokusai/"
AJAX_PREFIX = "/ajax-api/2.0/hokusai/"
JSON = {"Content-Type": "application/json"}
GUNICORN = ("--gunicorn-opts", "--timeout 120")
Auth = tuple[str, str]


@dataclass
class Server:
    """A running server."""

    url: str
    log: Path
    database_uri: str

    def ask(self, path: str, auth: Auth | None = None, **parameters: Any) -> requests.Response:
        """One of our GET routes."""
        url = self.url + PREFIX + path
        return requests.get(url, params=parameters, auth=auth, timeout=60)

    def post(
        self, path: str, body: Any, auth: Auth | None = None, **headers: str
    ) -> requests.Response:
        """A JSON body to any path of MLflow's API or ours."""
        url = f"{self.url}/api/2.0/{path}"
        return requests.post(url, json=body, auth=auth, headers=headers, timeout=60)

    def raw(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """A request exactly as written, where a client library would mend it."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()


@contextmanager
def serve(
    folder: Path,
    database_uri: str,
    *options: str,
    app: str = "hokusai",
    environ: Mapping[str, str] | None = None,
    health: str = "/health",
) -> Iterator[Server]:
    """A server with our app on a database, until the end of the block."""
    with mlflow_server(
        folder,
        *("--backend-store-uri", database_uri),
        *options,
        app_name=app,
        registry_uri=f"hokusai+{database_uri}",
        environ=environ,
        health=health,
    ) as running:
        yield Server(running.uri, running.log, database_uri)


def error_of(body: bytes) -> dict[str, Any]:
    """MLflow's error body; fails where an answer has another one."""
    error = json.loads(body)
    assert {"error_code", "message"} <= set(error), error
    return dict(error)
