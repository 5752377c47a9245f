"""Servers under the real mlflow-oidc-auth: its own app, and the one of docs/operations.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from security.servers import Auth, Server, serve
from support import prepared

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
OWN_APP = "oidc-auth"
APP_OF_THE_GUIDE = "hokusai-oidc"
ADMIN, READER, STRANGER = "administrator", "reader", "stranger"

_MAKE_USERS = f"""
import json
from datetime import datetime, timedelta, timezone

from mlflow_oidc_auth.store import store

tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
tokens = {{}}
for name in {(ADMIN, READER, STRANGER)}:
    store.create_user(name, name, is_admin=name == {ADMIN!r})
    tokens[name] = store.create_user_token(name, "tests", tomorrow, None)[1]
print(json.dumps(tokens))
"""


@contextmanager
def oidc_server(folder: Path, uri: str, app: str) -> Iterator[tuple[Server, dict[str, Auth]]]:
    """A server under mlflow-oidc-auth, and its users: an administrator and two without rights."""
    _install_the_guides_module(folder / "packages")
    environ = {
        "OIDC_USERS_DB_URI": f"sqlite:///{folder}/users.db",
        "SECRET_KEY": "for tests",
        "PYTHONPATH": str(folder / "packages"),
    }
    made = prepared.run(["-c", _MAKE_USERS], cwd=folder, env={"PATH": "/usr/bin:/bin", **environ})
    assert made.returncode == 0, made.stderr
    users = {name: (name, token) for name, token in json.loads(made.stdout).items()}
    with serve(folder, uri, app=app, environ=environ) as server:
        yield server, users


def grant_read(server: Server, admin: Auth, user: str, model: str) -> None:
    """READ on one registered model."""
    route = f"mlflow/permissions/users/{user}/registered-models/{model}"
    answer = server.post(route, {"permission": "READ"}, admin)
    assert answer.status_code == 201, answer.text


def own_run(server: Server, user: Auth) -> tuple[str, str]:
    """A run of a user who is no administrator: its id, and where its files would be."""
    made = _created(server.post("mlflow/experiments/create", {"name": "own"}, user))
    body = {"experiment_id": made["experiment_id"], "start_time": 1}
    info = _created(server.post("mlflow/runs/create", body, user))["run"]["info"]
    return info["run_id"], info["artifact_uri"]


def _created(answer: requests.Response) -> dict[str, dict[str, dict[str, str]]]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _install_the_guides_module(packages: Path) -> None:
    """The module of the guide, with its entry point, as if it were installed."""
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (module,) = [block for block in blocks if "OidcAccess" in block]
    (entry_point,) = [block for block in blocks if "mlflow.app" in block and block != module]
    section, line = re.fullmatch(
        r'\[project\.entry-points\."(.+?)"\]\n(.+)\n', entry_point
    ).groups()
    metadata = packages / "hokusai_oidc-1.dist-info"
    metadata.mkdir(parents=True)
    (packages / "hokusai_oidc.py").write_text(module)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hokusai-oidc\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[{section}]\n{line.replace(chr(34), '')}\n")
