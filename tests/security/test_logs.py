"""The log of refused writes and decisions: one JSON line each, and no secret."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from security.accounts import ADMIN, READER, auth_environ, create_users
from security.seeds import FIRST, SECOND, TOKEN, seed
from security.servers import JSON, Server, serve
from sqlalchemy import make_url
from support.databases import AllDatabases

MARK = "hokusai.registry: "
SECRET_VALUE = "not-for-the-log-0123456789"


@pytest.fixture(scope="module")
def server(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server under basic-auth with the versions of ``seeds``, registered by the administrator."""
    folder = tmp_path_factory.mktemp("logs")
    uri = all_databases.of("sqlite").create()
    environ = auth_environ(folder, default_permission="MANAGE")
    with serve(folder, uri, app="hokusai-basic-auth", environ=environ) as running:
        seed(running, ADMIN)
        create_users(running, READER)
        yield running


def _lines(server: Server) -> list[dict[str, Any]]:
    text = server.log.read_text()
    return [json.loads(line.split(MARK, 1)[1]) for line in text.splitlines() if MARK in line]


def _logged_by(server: Server, act: Callable[[], Any]) -> list[dict[str, Any]]:
    """The lines that something adds to the log."""
    before = len(_lines(server))
    act()
    deadline = time.monotonic() + 5
    while len(_lines(server)) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    return _lines(server)[before:]


def _create(server: Server, auth: tuple[str, str], **tags: str) -> int:
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    body = {"name": FIRST, "source": "s3://bucket/model", "tags": listed}
    return server.post("mlflow/model-versions/create", body, auth).status_code


def test_each_decision_is_one_line(server: Server) -> None:
    """Who registered what, and what was concluded: in the order of the registrations."""
    decided = [line for line in _lines(server) if line["event"] == "decided"]
    assert [(line["model"], line["version"], line["outcome"]) for line in decided[:4]] == [
        (FIRST, 1, "baseline"),
        (FIRST, 2, "achieved"),
        (SECOND, 1, "achieved"),
        (SECOND, 2, "regressed"),
    ]
    assert {line["user"] for line in decided} == {ADMIN[0]}
    assert {line["workspace"] for line in decided} == {"default"}
    assert decided[1]["improvement_pp"] == "2"


def test_each_refused_write_is_one_line(server: Server) -> None:
    """Who was refused, where, and for which rules."""
    tags = {"hokusai_token_id": "bad", "benchmark_metric": "accuracy", "benchmark_value": "high"}
    (line,) = _logged_by(server, lambda: _create(server, READER, **tags))
    assert line == {
        "event": "refused",
        "user": READER[0],
        "workspace": "default",
        "model": FIRST,
        "version": 3,
        "outcome": "invalid",
        "rules": ["benchmark_value_invalid", "token_id_invalid"],
    }


def test_locked_tag_is_a_conflict(server: Server) -> None:
    """Changing what a reward rests on is logged as a conflict."""
    body = {"name": FIRST, "version": "2", "key": "benchmark_value", "value": "0.81"}
    (line,) = _logged_by(server, lambda: server.post("mlflow/model-versions/set-tag", body, READER))
    assert (line["outcome"], line["rules"], line["version"]) == ("conflict", ["tags_locked"], 2)


def test_line_cannot_be_forged(server: Server) -> None:
    """A name with line breaks and control characters stays inside its own line."""
    forged = 'x\n2026-01-01 INFO hokusai.registry {"event" "decided"}\r\x1b[31m\u2028'
    assert server.post("mlflow/registered-models/create", {"name": forged}, ADMIN).ok
    tags = [{"key": "hokusai_token_id", "value": f"bad\n{MARK}{{}}"}]
    body = json.dumps({"name": forged, "source": "s3://b/m", "tags": tags}).encode()
    url = f"{server.url}/api/2.0/mlflow/model-versions/create"
    (line,) = _logged_by(
        server, lambda: requests.post(url, data=body, headers=JSON, auth=READER, timeout=60)
    )
    assert (line["event"], line["model"]) == ("refused", forged)


def test_no_secret_is_logged(server: Server) -> None:
    """Neither passwords nor the values of tags get into any log of the server."""
    tags = {"hokusai_token_id": TOKEN, "benchmark_metric": SECRET_VALUE, "benchmark_value": "x"}
    _logged_by(server, lambda: _create(server, READER, **tags, note=SECRET_VALUE))
    text = server.log.read_text()
    assert SECRET_VALUE not in text
    assert ADMIN[1] not in text
    assert READER[1] not in text


def test_rolled_back_decision_is_not_logged(server: Server) -> None:
    """A write that is refused after its first version was decided leaves no decision line."""
    body = {
        "name": FIRST,
        "source": "s3://bucket/model",
        "tags": [{"key": "hokusai_token_id", "value": TOKEN}],
    }
    lines = _logged_by(server, lambda: server.post("mlflow/model-versions/create", body, READER))
    assert [line["event"] for line in lines] == ["refused"]


def test_password_of_the_database_is_not_logged(
    all_databases: AllDatabases, tmp_path: Path
) -> None:
    """The database's password is in no line, not even when the database refuses a value."""
    url = make_url(all_databases.of("postgresql").create())
    uri = url.set(password=SECRET_VALUE).render_as_string(hide_password=False)
    with serve(tmp_path, uri) as running:
        seed(running)
        running.post("mlflow/registered-models/create", {"name": "a\0b"})
        running.raw("GET", "/api/2.0/hokusai/tokens/list?prefix=%00")
        assert SECRET_VALUE not in running.log.read_text()
