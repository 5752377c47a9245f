"""Beside mlflow-oidc-auth, the real package: its start command, and our routes under its users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import requests
from security import oidc
from security.matrix import Cells, cell, page_cell, pages_matrix, request_as, routes_matrix
from security.oidc import ADMIN, READER, STRANGER, oidc_server
from security.seeds import FIRST, OTHER_TOKEN, SECOND, SECRET, TOKEN, seed
from security.servers import PREFIX, Auth, Server
from sqlalchemy import create_engine, text
from support import prepared
from support.databases import AllDatabases

pytestmark = pytest.mark.skipif(
    find_spec("mlflow_oidc_auth") is None,
    reason="mlflow-oidc-auth moves the pin of gunicorn: 'make test-oidc' has it",
)

TAGS = {"hokusai_token_id": TOKEN, "benchmark_metric": "accuracy", "benchmark_value": "0.8"}
HIDDEN = re.compile(rf'{SECRET}|{OTHER_TOKEN}|"name": ?"{FIRST}"|name={FIRST}\b|{FIRST} version 2')
Guarded = tuple[Server, dict[str, Auth | None]]


@pytest.fixture(scope="module")
def plain(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, dict[str, Auth]]]:
    """What its own start command starts, on our registry store."""
    uri = all_databases.of("sqlite").create()
    with oidc_server(tmp_path_factory.mktemp("plain"), uri, oidc.OWN_APP) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """The guide's server with the versions of ``seeds``, and the roles of SECURITY.md's tables."""
    uri = all_databases.of("sqlite").create()
    with oidc_server(tmp_path_factory.mktemp("oidc"), uri, oidc.APP_OF_THE_GUIDE) as found:
        server, users = found
        seed(server, users[ADMIN])
        oidc.grant_read(server, users[ADMIN], READER, SECOND)
        yield (
            server,
            {
                "administrator": users[ADMIN],
                f"reader of `{SECOND}`": users[READER],
                "no rights": users[STRANGER],
                "anonymous": None,
            },
        )


def _rows(server: Server, statement: str) -> list[tuple[Any, ...]]:
    engine = create_engine(server.database_uri)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return found


def test_its_start_command_names_the_app_that_is_tried() -> None:
    """``mlflow-oidc-server`` is ``mlflow server`` with the app of the test below."""
    code = "from mlflow_oidc_auth.cli import run; run()"
    done = prepared.run(["-c", code, "--dry-run", "--port", "1"], check=True)
    assert f"mlflow server --app-name {oidc.OWN_APP} --port 1" in done.stdout


def test_registry_is_token_aware_under_its_start_command(
    plain: tuple[Server, dict[str, Auth]],
) -> None:
    """Users register with tags; a wrong tag is their fault, and leaves nothing behind."""
    server, users = plain
    run_id, files = oidc.own_run(server, users[READER])
    body = {"name": "own", "run_id": run_id, "source": f"{files}/model"}
    assert server.post("mlflow/registered-models/create", body, users[READER]).status_code == 200

    def register(auth: Auth | None, **changed: str) -> requests.Response:
        tags = [{"key": key, "value": value} for key, value in {**TAGS, **changed}.items()]
        return server.post("mlflow/model-versions/create", {**body, "tags": tags}, auth)

    assert register(users[READER]).status_code == 200
    assert register(users[STRANGER]).status_code == 403
    assert register(None).status_code == 401
    for wrong in ({"benchmark_value": "abc"}, {"hokusai_token_id": "img"}):
        refused = register(users[READER], **wrong)
        assert refused.status_code == 400
        assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    tag = {"name": "own", "version": "1", "key": "benchmark_value", "value": "nan"}
    assert server.post("mlflow/model-versions/set-tag", tag, users[READER]).status_code == 400

    index = _rows(server, "SELECT name, version, token_id FROM hokusai_token_index")
    assert index == [("own", 1, TOKEN)]
    assert _rows(server, "SELECT version FROM model_versions") == [(1,)]
    assert _rows(server, "SELECT outcome, actor FROM hokusai_decisions") == [("baseline", READER)]


def test_routes_are_absent_under_its_start_command(plain: tuple[Server, dict[str, Auth]]) -> None:
    """Its own app has none of our routes, and tells nobody more than that."""
    server, users = plain
    assert server.ask("tokens/list", users[ADMIN]).status_code == 404
    assert server.ask("tokens/list").status_code == 401


@pytest.mark.parametrize(("method", "target"), routes_matrix())
def test_each_role_gets_what_the_matrix_says(guarded: Guarded, method: str, target: str) -> None:
    """Each role gets at each route exactly what it gets under MLflow's basic-auth."""
    server, roles = guarded
    found: Cells = {
        role: cell(request_as(server, method, target, auth)) for role, auth in roles.items()
    }
    assert found == routes_matrix()[method, target]


@pytest.mark.parametrize("address", pages_matrix())
def test_each_role_gets_of_pages_what_the_matrix_says(guarded: Guarded, address: str) -> None:
    """Each role gets of each page exactly what it gets under MLflow's basic-auth."""
    server, roles = guarded
    found: Cells = {
        role: page_cell(requests.get(server.url + address, auth=auth, timeout=60))
        for role, auth in roles.items()
    }
    assert found == pages_matrix()[address]


@pytest.mark.parametrize(
    "path",
    [
        f"{PREFIX}registered-models/lineage?name={SECOND}&include_ancestors=true",
        f"{PREFIX}deltaone/detect?name={SECOND}&version=1",
        f"{PREFIX}model-versions/list-by-token?token_id={TOKEN}",
        f"{PREFIX}tokens/get?token_id={TOKEN}",
        f"{PREFIX}tokens/history?token_id={TOKEN}",
        f"{PREFIX}tokens/list",
        f"{PREFIX}reward-events/list",
        "/hokusai/",
        f"/hokusai/token?token_id={TOKEN}",
        f"/hokusai/version?name={SECOND}&version=1",
    ],
)
def test_nothing_names_an_unreadable_model(guarded: Guarded, path: str) -> None:
    """Parents, baselines and reasons leave out models that the asker may not read."""
    server, roles = guarded
    answer = requests.get(server.url + path, auth=roles[f"reader of `{SECOND}`"], timeout=60)
    assert answer.status_code == 200
    assert not HIDDEN.search(answer.text)
    whole = requests.get(server.url + path, auth=roles["administrator"], timeout=60)
    assert HIDDEN.search(whole.text) or "tokens/get" in path


@pytest.mark.parametrize("path", ["tokens/list", f"registered-models/lineage?name={SECRET}"])
def test_head_tells_no_more_than_get(guarded: Guarded, path: str) -> None:
    """HEAD has the status of GET for every role: it is no way around a rule."""
    server, roles = guarded
    for auth in roles.values():
        head = requests.head(server.url + PREFIX + path, auth=auth, timeout=60)
        assert head.status_code == server.ask(path, auth).status_code


def test_what_is_no_route_opens_nothing(guarded: Guarded) -> None:
    """A wrong path, a wrong method and a wrong password get no further than before."""
    server, roles = guarded
    reader = roles[f"reader of `{SECOND}`"]
    assert reader
    assert server.ask("tokens/secret", reader).status_code == 403
    assert server.ask("tokens/list", (reader[0], "not-the-token")).status_code == 401
    deleted = requests.delete(f"{server.url}{PREFIX}tokens/list", auth=reader, timeout=60)
    assert deleted.status_code == 403
    for path in ("//api/2.0/hokusai/tokens/list", "/health/../api/2.0/hokusai/tokens/list"):
        assert TOKEN.encode() not in server.raw("GET", path)[2]
