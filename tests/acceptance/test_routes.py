"""Our routes on a live server: every name that MLflow takes, and MLflow's errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from support.registry import METRIC, SOURCE, TOKEN, VALUE, token_tags
from support.servers import Server

PREFIXES = ["/api/2.0/hokusai/", "/ajax-api/2.0/hokusai/"]
ODD_NAMES = [
    "with spaces",
    'it\'s "quoted"',
    "100%",
    "%2F%20",
    "a+b&c=d?e#f",
    "back\\slash",
    "Größe 模型 🪙",
    "<b>bold<b>",
    "semi;colon, comma",
]

Ask = Callable[..., requests.Response]


@pytest.fixture(params=PREFIXES)
def ask(request: pytest.FixtureRequest, server: Server) -> Ask:
    """GET one of our routes, under either prefix."""

    def get(route: str, **parameters: Any) -> requests.Response:
        return requests.get(server.uri + request.param + route, params=parameters, timeout=60)

    return get


def register(client: MlflowClient, name: str, **tags: str) -> None:
    """One tokenised version, of a model that may be there already."""
    with suppress(MlflowException):
        client.create_registered_model(name)
    client.create_model_version(name, SOURCE, tags=token_tags(**tags))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(client: MlflowClient, ask: Ask, new_token: str, name: str) -> None:
    """A model is found under its name by every route, whatever characters it is made of."""
    odd = {METRIC: "val/top 1", "note": f"{name}/with: more"}
    register(client, name, **{TOKEN: new_token, **odd})

    (listed,) = ask("model-versions/list-by-token", token_id=new_token).json()["model_versions"]
    item = ask("registered-models/lineage", name=name).json()["lineage"][-1]
    detected = ask("deltaone/detect", name=name).json()

    assert listed["name"] == item["model_version"]["name"] == detected["name"] == name
    assert item["benchmark_metric"] == "val/top 1"
    assert {"key": "note", "value": odd["note"]} in listed["tags"]


def test_listed_as_searched(client: MlflowClient, ask: Ask, new_token: str, server: Server) -> None:
    """A version is listed exactly as MLflow's own search returns it over REST."""
    register(client, new_token, **{TOKEN: new_token})
    search = server.uri + "/api/2.0/mlflow/model-versions/search"

    (ours,) = ask("model-versions/list-by-token", token_id=new_token).json()["model_versions"]
    searched = requests.get(search, params={"filter": f"name='{new_token}'"}, timeout=60)

    (stock,) = searched.json()["model_versions"]
    for version in (ours, stock):
        version["tags"].sort(key=lambda tag: tag["key"])
    assert ours == stock


def test_pages(client: MlflowClient, ask: Ask, new_token: str) -> None:
    """Pages follow each other by their tokens, without gaps or repeats, to the last one."""
    for number in range(5):
        register(client, f"{new_token} {number}", **{TOKEN: new_token})

    pages = []
    parameters = {"token_id": new_token, "max_results": 2}
    while parameters:
        answer = ask("model-versions/list-by-token", **parameters).json()
        pages.append([version["name"] for version in answer["model_versions"]])
        following = answer.get("next_page_token")
        parameters = {**parameters, "page_token": following} if following else {}

    names = [f"{new_token} {number}" for number in range(5)]
    assert sorted(name for page in pages for name in page) == names
    assert [len(page) for page in pages] == [2, 2, 1]


def test_tokens(client: MlflowClient, ask: Ask, new_token: str) -> None:
    """Tokens are listed by prefix, and one is told with its contributors."""
    address = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
    register(client, new_token, **{TOKEN: new_token, "contributor": address})

    listed = ask("tokens/list", prefix=new_token).json()["tokens"]
    told = ask("tokens/get", token_id=new_token).json()["token"]

    assert [token["token_id"] for token in listed] == [new_token]
    assert told["model_count"] == 1
    assert [person["contributor_address"] for person in told["contributors"]] == [address.lower()]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_validate(server: Server, client: MlflowClient, prefix: str) -> None:
    """Tags are checked without anything being written."""
    bad = [{"key": TOKEN, "value": "bad"}, {"key": METRIC, "value": "accuracy"}]
    good = [{"key": key, "value": value} for key, value in token_tags(previous_version="7").items()]
    route = server.uri + prefix + "tags/validate"
    before = len(client.search_model_versions())

    refused, passed = (
        requests.post(route, json={"tags": tags, "name": "none"}, timeout=60).json()
        for tags in (bad, good)
    )

    assert refused["valid"] is False
    assert {violation["key"] for violation in refused["violations"]} == {TOKEN, VALUE}
    assert (passed["valid"], passed["violations"]) == (True, [])
    assert [warning["code"] for warning in passed["warnings"]] == [
        "contributor_missing",
        "previous_version_unknown",
    ]
    assert len(client.search_model_versions()) == before


BAD, MISSING = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
BY_TOKEN = "model-versions/list-by-token"


@pytest.mark.parametrize(
    ("route", "parameters", "status", "code"),
    [
        (BY_TOKEN, {}, 400, BAD),
        (BY_TOKEN, {"token_id": "bad"}, 400, BAD),
        (BY_TOKEN, {"token_id": "IMG-001", "max_results": "1001"}, 400, BAD),
        (BY_TOKEN, {"token_id": "IMG-001", "max_results": "many"}, 400, BAD),
        (BY_TOKEN, {"token_id": "IMG-001", "page_token": "made up"}, 400, BAD),
        (BY_TOKEN, {"token_id": "IMG-001", "tokenId": "IMG-001"}, 400, BAD),
        ("registered-models/lineage", {}, 400, BAD),
        ("registered-models/lineage", {"name": "no such"}, 404, MISSING),
        ("deltaone/detect", {"name": "no such"}, 404, MISSING),
        ("tokens/list", {"prefix": "small"}, 400, BAD),
        ("tokens/get", {"token_id": "NO-SUCH"}, 404, MISSING),
    ],
)
def test_errors(ask: Ask, route: str, parameters: dict[str, str], status: int, code: str) -> None:
    """A wrong request gets MLflow's error body with a sentence, and never a 5xx."""
    answer = ask(route, **parameters)

    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["message"]


def test_unknown_token(ask: Ask) -> None:
    """A token that nobody carries has no versions; asking for them is no error."""
    answer = ask("model-versions/list-by-token", token_id="NOBODY-HAS-IT")

    assert (answer.status_code, answer.json()) == (200, {"model_versions": []})
