"""How many requests a registration sends: each costs as much as all that it does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from mlflow import MlflowClient
from support.registry import SOURCE, TOKEN
from support.servers import Server

from hokusai.core import ModelRegistry

NewName = Callable[[str], str]
VALIDATE = "/api/2.0/hokusai/tags/validate"
CREATE_MODEL = "/api/2.0/mlflow/registered-models/create"
CREATE_VERSION = "/api/2.0/mlflow/model-versions/create"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that this process sends."""
    paths: list[str] = []
    send = requests.Session.send

    def noted(
        session: requests.Session, request: requests.PreparedRequest, **given: object
    ) -> object:
        paths.append(request.path_url)
        return send(session, request, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "send", noted)
    return paths


def test_a_registration(server: Server, sent: list[str], new_name: NewName, new_token: str) -> None:
    """A version of a model that is there costs two requests, the first one of a model three."""
    registry = ModelRegistry(server.uri, tracking_uri=server.uri)
    requests_of = []
    for value in ("0.85", "0.86"):
        sent.clear()
        registry.register_tokenized_model(SOURCE, new_name("model"), new_token, "accuracy", value)
        requests_of.append(list(sent))
    assert requests_of == [[VALIDATE, CREATE_MODEL, CREATE_VERSION], [VALIDATE, CREATE_VERSION]]


def test_what_it_answers(server: Server, new_name: NewName, new_token: str) -> None:
    """It is MLflow's registered model all the same, with the new version as its latest one."""
    client, name = MlflowClient(server.uri, server.uri), new_name("model")
    registry = ModelRegistry(server.uri, tracking_uri=server.uri)
    made = registry.register_tokenized_model(SOURCE, name, new_token, "accuracy", "0.85")
    client.set_registered_model_tag(name, TOKEN, new_token)
    client.set_registered_model_alias(name, "champion", "1")
    client.update_registered_model(name, "what it is for")
    later = registry.register_tokenized_model(SOURCE, name, new_token, "accuracy", "0.86")

    stored = client.get_registered_model(name)
    for key in ("name", "creation_timestamp", "description", "tags", "aliases"):
        assert getattr(later, key) == getattr(stored, key), key
    assert (made.tags, made.aliases) == ({}, {})
    assert made.creation_timestamp == stored.creation_timestamp
    for each, version in ((made, "1"), (later, "2")):
        latest = client.get_model_version(name, version)
        assert [dict(found)["version"] for found in each.latest_versions] == [version]
        assert each.last_updated_timestamp == latest.creation_timestamp
    assert later.last_updated_timestamp == stored.last_updated_timestamp
    assert dict(later).keys() >= dict(stored).keys()
