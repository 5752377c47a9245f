"""Mounting the routes under another authentication: the example of docs/http-api.md runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import prepared
from support.databases import AllDatabases

DOCUMENT = Path(__file__).parents[2] / "docs" / "http-api.md"

TRIAL = """
import json
from our_auth import create_app

app = create_app()
assert create_app() is app  # a second call changes nothing
client = app.test_client()
asked = [
    (None, "tokens/list"),
    ("ann", "tokens/list"),
    ("ann", "registered-models/lineage?name=mine"),
    ("ann", "registered-models/lineage?name=ann-model"),
    ("ann", "policy/list"),
    ("root", "policy/list"),
]
statuses = []
for user, route in asked:
    headers = {"X-Forwarded-User": user} if user else {}
    statuses.append(client.get("/api/2.0/hokusai/" + route, headers=headers).status_code)
print(json.dumps(statuses))
"""


def _example() -> str:
    """The Python block of the document that calls ``register``."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if "register(app" in block]
    return block


def test_documented_plugin_guards_our_routes(
    all_databases: AllDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that authenticates by itself decides who reads what on our routes.

    Anonymous requests stop at the plugin; a user is refused others' models, finds none of the
    allowed name, and is no administrator.
    """
    uri = all_databases.of("sqlite").create()
    (tmp_path / "our_auth.py").write_text(_example())
    environ = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(tmp_path),
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": f"hokusai+{uri}",
        "_MLFLOW_SGI_NAME": "gunicorn",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = prepared.run(["-c", TRIAL], env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[401, 200, 403, 404, 403, 200]"
