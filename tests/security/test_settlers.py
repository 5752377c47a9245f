"""Users in ``HOKUSAI_SETTLERS``: they settle, and see and do nothing else of an administrator's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from security.accounts import ADMIN, READER, STRANGER, auth_environ, create_users, grant_read
from security.servers import Auth, Server, serve
from support.databases import AllDatabases
from support.registry import VALUE, token_tags

REFERENCE = "0xfeed"
CHANGES = ("revoke", "reject", "approve")
SETTLER = READER


@pytest.fixture(scope="module")
def paying(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with one reward event, and a reader of its model who may settle."""
    uri = all_databases.of("sqlite").create()
    folder = tmp_path_factory.mktemp("settlers")
    environ = {**auth_environ(folder), "HOKUSAI_SETTLERS": SETTLER[0]}
    with serve(folder, uri, app="hokusai-basic-auth", environ=environ) as server:
        create_users(server, SETTLER, STRANGER)
        server.post("mlflow/registered-models/create", {"name": "model"}, ADMIN)
        for value in ("0.5", "0.6"):
            tags = [{"key": k, "value": v} for k, v in token_tags(**{VALUE: value}).items()]
            body = {"name": "model", "source": "s3://bucket/model", "tags": tags}
            created = server.post("mlflow/model-versions/create", body, ADMIN)
            assert created.status_code == 200, created.text
        for user in (SETTLER, STRANGER):
            grant_read(server, user, "model")
        yield server


def event_id(server: Server) -> str:
    (event,) = server.ask("reward-events/list", ADMIN).json()["reward_events"]
    return str(event["id"])


def settle(server: Server, user: Auth, reference: str = REFERENCE) -> requests.Response:
    body = {"id": event_id(server), "status": "paid", "reference": reference}
    return server.post("hokusai/reward-events/settle", body, user)


def test_settler_settles_and_does_nothing_else(paying: Server) -> None:
    """Settling is for who is named; what else an administrator may do is not for him."""
    assert settle(paying, STRANGER).status_code == 403
    assert settle(paying, SETTLER).status_code == 200
    assert settle(paying, SETTLER).json()["settlement"]["reference"] == REFERENCE
    for change in CHANGES:
        body = {"id": event_id(paying), "reason": "It is a test."}
        body = body if change != "approve" else {"id": body["id"]}
        answer = paying.post(f"hokusai/reward-events/{change}", body, SETTLER)
        assert answer.status_code == 403, answer.text
    assert paying.ask("policy/list", SETTLER).status_code == 403


def test_settler_reads_what_any_reader_reads(paying: Server) -> None:
    """References are for administrators, in routes and on pages; that it was paid is for all."""
    assert settle(paying, SETTLER).status_code == 200
    pages = [f"/hokusai/event?id={event_id(paying)}", "/hokusai/ledger"]
    routes = ["reward-events/list", "registered-models/history?name=model"]
    addresses = [*pages, *(f"/api/2.0/hokusai/{route}" for route in routes)]
    for address in addresses:
        told = {
            user[0]: requests.get(paying.url + address, auth=user, timeout=60)
            for user in (ADMIN, SETTLER, STRANGER)
        }
        assert {answer.status_code for answer in told.values()} == {200}
        assert told[SETTLER[0]].text == told[STRANGER[0]].text
        assert REFERENCE not in told[SETTLER[0]].text
        if "reward-events/list" not in address:
            assert REFERENCE in told[ADMIN[0]].text
