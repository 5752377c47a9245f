"""Starting under basic-auth: by our command and by MLflow's; a bad configuration ends the start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Blueprint, Flask
from security.accounts import ADMIN, READER, auth_environ, create_users, grant_read
from security.seeds import SECOND, TOKEN, seed
from security.servers import GUNICORN, PREFIX, serve
from security.servers import Server as Running
from support import prepared
from support.databases import AllDatabases

from hokusai_mlflow_plugin import basic_auth
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.store.mlflow_compat import authentication, errors
from hokusai_mlflow_plugin.web.access import Access
from hokusai_mlflow_plugin.web.api.blueprint import create_blueprint
from hokusai_mlflow_plugin.web.pages.blueprint import create_pages
from hokusai_mlflow_plugin.web.server import API_NAME, PAGES_NAME, Server, rules

COMMAND = ["-c", "from hokusai_mlflow_plugin.cli import main; main()"]


def _start(folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """``hokusai-mlflow server --auth`` where it is expected to end by itself."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
    return prepared.run(
        [*COMMAND, "server", "--auth", "--port", "1"],
        env={**kept, **environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=folder,
    )


bootstraps = pytest.mark.skipif(
    not hasattr(authentication.auth_module(), "get_flask_server_secret_key"),
    reason="Before MLflow 3.17 only its workers check the basic-auth configuration.",
)


@bootstraps
def test_missing_secret_key_ends_the_command(tmp_path: Path) -> None:
    """Without the key for its forms the command ends with one sentence, before any worker."""
    environ = auth_environ(tmp_path)
    del environ["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    done = _start(tmp_path, environ)
    assert done.returncode != 0
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" in done.stderr
    assert "Traceback" not in done.stderr


@bootstraps
def test_missing_admin_password_ends_the_command(tmp_path: Path) -> None:
    """Without a password for the administrator the command ends with one sentence."""
    environ = auth_environ(tmp_path)
    config = Path(environ["MLFLOW_AUTH_CONFIG_PATH"])
    config.write_text(config.read_text().replace(f"admin_password = {ADMIN[1]}\n", ""))
    done = _start(tmp_path, environ)
    assert done.returncode != 0
    assert "admin" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [(), GUNICORN], ids=["uvicorn", "gunicorn"])
def test_four_workers_start_at_once(
    all_databases: AllDatabases, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Plain ``mlflow server --app-name hokusai-basic-auth``: its workers share one admin."""
    uri = all_databases.of("sqlite").create("mlflow")
    environ = auth_environ(tmp_path)
    options = ("--workers", "4", *options)
    with serve(tmp_path, uri, *options, app="hokusai-basic-auth", environ=environ) as server:
        for _time in range(20):
            assert server.ask("tokens/list", ADMIN).json() == {"tokens": []}
            assert server.ask("tokens/list").status_code == 401


def test_workspaces_keep_the_rules(all_databases: AllDatabases, tmp_path: Path) -> None:
    """With ``--enable-workspaces`` a grant counts in its workspace, and only there."""
    uri = all_databases.of("sqlite").create("mlflow")
    environ = auth_environ(tmp_path)
    options = ("--workers", "1", "--enable-workspaces")
    with serve(tmp_path, uri, *options, app="hokusai-basic-auth", environ=environ) as server:
        seed(server, ADMIN)
        create_users(server, READER)
        assert server.ask("tokens/list", READER).json() == {"tokens": []}
        assert server.ask("registered-models/lineage", READER, name=SECOND).status_code == 403
        grant_read(server, READER, SECOND)
        (token,) = server.ask("tokens/list", READER).json()["tokens"]
        assert (token["token_id"], token["version_count"]) == (TOKEN, 2)
        assert server.ask("registered-models/lineage", READER, name=SECOND).status_code == 200
        _create_workspace(server)
        for auth, status in ((ADMIN, 404), (READER, 403)):
            answer = requests.get(
                f"{server.url}{PREFIX}registered-models/lineage",
                params={"name": SECOND},
                headers={"X-MLFLOW-WORKSPACE": "elsewhere"},
                auth=auth,
                timeout=60,
            )
            assert answer.status_code == status


def _create_workspace(server: Running) -> None:
    url = f"{server.url}/api/3.0/mlflow/workspaces"
    answer = requests.post(url, json={"name": "elsewhere"}, auth=ADMIN, timeout=60)
    assert answer.ok, answer.text


def _app() -> Flask:
    app = Flask("rules")
    nothing: Any = lambda *_a, **_k: {}  # noqa: E731  # no route is asked here
    wiring = Server(nothing, nothing, errors.translate, ("/api/2.0/hokusai/",), Access())
    app.register_blueprint(create_blueprint(wiring))
    app.register_blueprint(create_pages(wiring))
    return app


def test_every_route_and_method_is_known_to_mlflow() -> None:
    """MLflow's fail-closed check finds a validator for each of our paths and methods."""
    app = _app()
    validators = authentication.auth_module().BEFORE_REQUEST_VALIDATORS
    basic_auth.admit(app)
    assert rules(app).keys() <= validators.keys()
    assert {"GET", "HEAD", "OPTIONS", "POST"} <= {method for _path, method in rules(app)}


@pytest.mark.parametrize("name", [API_NAME, PAGES_NAME])
def test_route_without_a_rule_stops_the_start(name: str) -> None:
    """A route that was added past the table has no rule, and the server does not start."""
    app = _app()
    app.add_url_rule("/api/2.0/hokusai/forgotten", f"{name}.forgotten", lambda: "secret")
    with pytest.raises(SettingsError, match=r"GET /api/2\.0/hokusai/forgotten"):
        basic_auth.admit(app)


def test_blueprint_name_is_ours_alone() -> None:
    """Another plugin's blueprint does not pass for ours."""
    app = _app()
    app.register_blueprint(Blueprint("other", __name__))
    ours = ("/api/2.0/hokusai/", "/hokusai")
    assert all(path.startswith(ours) for path, _method in rules(app))
