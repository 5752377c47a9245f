"""The pages on real servers: where they are found, under a prefix, in MLflow's menu."""

from __future__ import annotations

import base64
import html
import re
import subprocess
import sys

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.utils.workspace_context import WorkspaceContext
from packaging.version import Version
from support.registry import SOURCE, VALUE, token_tags
from support.servers import mlflow_server

from hokusai.core import ModelRegistry

NAME = "a model/with$two$signs".replace("/", "-")
api_is_prefixed = pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.12"),
    reason="MLflow serves its API under --static-prefix from 3.12 on.",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server under a prefix, with workspaces and the menu entry, and one model."""
    with mlflow_server(
        tmp_path_factory.mktemp("pages"),
        *("--static-prefix", "/ml", "--enable-workspaces"),
        environ={"HOKUSAI_UI_LINK": "true"},
        health="/ml/health",
    ) as running:
        client = MlflowClient(running.database_uri, f"hokusai+{running.database_uri}")
        client.create_registered_model(NAME)
        for value in ("0.5", "0.6"):
            client.create_model_version(NAME, SOURCE, tags=token_tags(**{VALUE: value}))
        yield running


def test_pages_are_behind_the_prefix(server):
    """Every address on a page begins with the server's prefix, and is answered."""
    page = requests.get(f"{server.uri}/ml/hokusai/", timeout=60)
    assert page.status_code == 200
    found = set(re.findall(r'(?:href|src|action)="(/[^"#]*)"', html.unescape(page.text)))
    assert found
    assert all(address.startswith("/ml/") for address in found)
    for address in found:
        assert requests.get(server.uri + address, timeout=60).status_code == 200
    redirected = requests.get(f"{server.uri}/ml/hokusai", timeout=60)
    assert redirected.url == f"{server.uri}/ml/hokusai/"


@api_is_prefixed
def test_workspaces_have_pages_of_their_own(server):
    """A page is of the workspace that it is asked for; one that is not there is a wrong request."""
    body = {"name": "team-a"}
    answer = requests.post(f"{server.uri}/ml/api/3.0/mlflow/workspaces", json=body, timeout=60)
    assert answer.ok, answer.text
    pages = f"{server.uri}/ml/hokusai/"
    everyone = requests.get(pages, timeout=60)
    assert "IMG-001" in everyone.text
    assert "workspace=team-a" in everyone.text
    team = requests.get(pages, params={"workspace": "team-a"}, timeout=60)
    assert team.status_code == 200
    assert "No token yet" in team.text
    missing = requests.get(pages, params={"workspace": "nowhere"}, timeout=60)
    assert missing.status_code == 400
    assert "There is no workspace" in missing.text


def test_menu_entry_is_one_script(server, tmp_path):
    """MLflow's page loads one script more, and without the setting none of ours."""
    page = requests.get(f"{server.uri}/ml/", timeout=60)
    (script,) = re.findall(r'<script src="(/ml/hokusai/assets/menu\.[0-9a-f]+\.js)"', page.text)
    assert requests.get(server.uri + script, timeout=60).status_code == 200
    assert "ETag" not in page.headers
    with mlflow_server(tmp_path) as plain:
        assert "hokusai" not in requests.get(plain.uri, timeout=60).text


@api_is_prefixed
def test_registry_and_lineage_have_addresses(server):
    """The client knows where its pages are; a notebook shows picture, table and link."""
    registry = ModelRegistry(f"{server.uri}/ml", f"{server.uri}/ml")
    assert registry.url == f"{server.uri}/ml/hokusai/"
    assert registry.url in registry._repr_html_()
    lineage = registry.get_model_lineage(NAME)
    assert requests.get(lineage.url, timeout=60).status_code == 200
    shown = lineage._repr_html_()
    (image,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="[^"]+"', shown)
    assert base64.b64decode(image).startswith(b"\x89PNG")
    assert "<table>" in shown
    assert lineage.url.replace("&", "&amp;") in shown
    with WorkspaceContext("team-a"):
        assert registry.url.endswith("/hokusai/?workspace=team-a")


def test_database_has_no_address(tmp_path):
    """A registry that is a database is shown by no server, and says so by None."""
    registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db")
    assert registry.url is None
    assert "href" not in registry._repr_html_()


@api_is_prefixed
@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        (("token", "show", "IMG-001"), "token?token_id=IMG-001"),
        (("model", "lineage", NAME), "model?name=a%20model-with%24two%24signs"),
    ],
)
def test_commands_tell_the_address(server, arguments, page):
    """The commands end by saying where to look at the same in a browser."""
    command = [sys.executable, "-c", "from hokusai_mlflow_plugin.cli import main; main()"]
    url = f"{server.uri}/ml"
    found = subprocess.run(
        [*command, *arguments, "--registry-uri", url], capture_output=True, text=True, check=True
    )
    assert found.stdout.endswith(f"In the browser: {url}/hokusai/{page}\n")
