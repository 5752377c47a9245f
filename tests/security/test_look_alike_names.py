"""A model's own name decides who may read it, however a request spells it, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from security.accounts import ADMIN, READER, STRANGER, auth_environ, create_users, grant_read
from security.seeds import SECOND, seed
from security.servers import Server, serve

from hokusai_mlflow_plugin.web.access import Rule
from hokusai_mlflow_plugin.web.api.routes import ROUTES

OTHER_SPELLING = SECOND.upper()
PATHS = [route.path for route in ROUTES if route.rule is Rule.READ_MODEL]


@pytest.fixture
def server(database_uri: str, tmp_path: Path) -> Iterator[Server]:
    """Under basic-auth: one may read the model, one what is spelt like it."""
    environ = auth_environ(tmp_path)
    with serve(tmp_path, database_uri, app="hokusai-basic-auth", environ=environ) as running:
        seed(running, ADMIN)
        create_users(running, READER, STRANGER)
        grant_read(running, READER, SECOND)
        grant_read(running, STRANGER, OTHER_SPELLING)
        yield running


def test_the_stored_name_decides(server: Server, database_uri: str) -> None:
    """A grant on another spelling opens nothing; a grant on the model opens every spelling."""
    found_as_other = database_uri.startswith("mysql")

    def asked(path: str, name: str, auth: Any) -> int:
        return server.ask(path, auth, name=name, **_others(path)).status_code

    assert PATHS
    for path in PATHS:
        assert asked(path, SECOND, READER) == 200
        assert asked(path, SECOND, STRANGER) == 403
        assert asked(path, OTHER_SPELLING, READER) == (200 if found_as_other else 403)
        assert asked(path, OTHER_SPELLING, STRANGER) == (403 if found_as_other else 404)


def _others(path: str) -> dict[str, Any]:
    return {"version": 1} if path == "deltaone/detect" else {}
