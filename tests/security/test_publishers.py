"""R18 on a live server under basic-auth: who may put a declared token on versions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from security.accounts import ADMIN, auth_environ, create_users
from security.servers import Auth, Server, serve
from support.databases import AllDatabases
from support.registry import SOURCE, TOKEN, VALUE, token_tags

from hokusai.core import ModelRegistry

ALICE: Auth = ("alice", "the-password-of-alice")
MALLORY: Auth = ("mallory", "the-password-of-mallory")


@pytest.fixture(scope="module")
def server(
    all_databases: AllDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with declared tokens, on which every user may write every model."""
    folder = tmp_path_factory.mktemp("publishers")
    environ = {**auth_environ(folder, "MANAGE"), "HOKUSAI_TOKENS": "declared"}
    uri = all_databases.of("sqlite").create()
    with serve(folder, uri, "--workers", "2", app="hokusai-basic-auth", environ=environ) as server:
        create_users(server, ALICE, MALLORY)
        yield server


@pytest.fixture
def as_user(server: Server, monkeypatch: pytest.MonkeyPatch):
    """MLflow's own client and ours, with a user's password."""

    def use(user: Auth) -> tuple[MlflowClient, ModelRegistry]:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user[0])
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", user[1])
        return MlflowClient(server.url, server.url), ModelRegistry(server.url, server.url)

    return use


def test_declared_granted_revoked_closed(server: Server, as_user) -> None:
    """The whole life of a token: each user gets what he may, by stock client and by ours."""
    client, registry = as_user(ADMIN)
    found = registry.declare_token("IMG-001", ["accuracy"], ["alice"], "5")
    assert (found.publishers, str(found.ceiling_pp), found.is_enforced) == (("alice",), "5", True)
    client.create_registered_model("model")
    body = {"name": "model", "source": SOURCE}
    tags = [{"key": key, "value": value} for key, value in token_tags().items()]

    def create(user: Auth) -> tuple[int, str]:
        answer = server.post("mlflow/model-versions/create", {**body, "tags": tags}, user)
        return answer.status_code, answer.json().get("error_code", "")

    assert create(ALICE) == (200, "")
    assert create(MALLORY) == create(ADMIN) == (403, "PERMISSION_DENIED")
    client, registry = as_user(MALLORY)
    with pytest.raises(Exception, match="'mallory' may not put token IMG-001 on versions"):
        client.set_model_version_tag("model", "1", VALUE, "0.99")
    client.create_model_version("model", SOURCE)
    with pytest.raises(Exception, match="may not put"):
        client.set_model_version_tag("model", "2", TOKEN, "IMG-001")
    with pytest.raises(Exception, match="Only an administrator"):
        registry.grant_token("IMG-001", ["mallory"])
    with pytest.raises(ValueError, match="may not put") as refused:
        registry.register_tokenized_model(
            SOURCE, "own", "IMG-001", "accuracy", "0.99", tags={"contributor": "mallory"}
        )
    assert refused.value.error_code == "PERMISSION_DENIED"
    assert [each.name for each in client.search_registered_models()] == ["model"]  # nothing left
    assert not registry.validate_hokusai_tags(token_tags())
    assert client.get_model_version("model", "1").tags[VALUE] == "0.85"

    _client, registry = as_user(ADMIN)
    registry.grant_token("IMG-001", ["mallory"])
    assert create(MALLORY) == (200, "")
    registry.revoke_token("IMG-001", ["mallory"])
    assert create(MALLORY) == (403, "PERMISSION_DENIED")
    assert registry.close_token("IMG-001").closed_timestamp
    assert create(ALICE) == (400, "INVALID_PARAMETER_VALUE")

    told = [(each.action, each.actor) for each in registry.get_token_history("IMG-001")]
    assert told == [
        ("token_closed", "admin"),
        ("token_revoked", "admin"),
        ("decided", "mallory"),
        ("token_granted", "admin"),
        ("decided", "alice"),
        ("token_declared", "admin"),
    ]
    _client, registry = as_user(MALLORY)
    told = [(each.action, each.actor) for each in registry.get_token_history("IMG-001")]
    assert told == [("decided", "mallory"), ("decided", "alice")]
