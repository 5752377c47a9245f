"""The REST contract: one description that parses requests, and that answers are held to."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from flask import Flask
from openapi_spec_validator import validate
from pydantic import TypeAdapter
from security.seeds import FIRST, SECOND, TOKEN
from security.servers import AJAX_PREFIX, PREFIX, Server, error_of

from hokusai.evaluation.deltaone_evaluator import Decision as DecisionOfTheClient
from hokusai_mlflow_plugin.domain.delta import Evidence, Outcome
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.services.queries.by_route import QUERIES
from hokusai_mlflow_plugin.services.rewards.ledger import ACTOR_KEY, DATA_KEYS
from hokusai_mlflow_plugin.store.mlflow_compat.errors import translate
from hokusai_mlflow_plugin.web.access import Access
from hokusai_mlflow_plugin.web.api import parameters as of_routes
from hokusai_mlflow_plugin.web.api.answers.common import DirectionName, EvidenceName
from hokusai_mlflow_plugin.web.api.answers.policy import TagsValidated
from hokusai_mlflow_plugin.web.api.answers.rewards import EventData
from hokusai_mlflow_plugin.web.api.answers.versions import Decision, OutcomeName
from hokusai_mlflow_plugin.web.api.blueprint import create_blueprint
from hokusai_mlflow_plugin.web.api.contract import openapi
from hokusai_mlflow_plugin.web.api.parameters import Parameters
from hokusai_mlflow_plugin.web.api.routes import COMMANDS, ROUTES, Route
from hokusai_mlflow_plugin.web.server import Server as Wiring
from hokusai_mlflow_plugin.web.server import rules

PREFIXES = (PREFIX, AJAX_PREFIX)
SHIPPED = Path(__file__).parents[2] / "docs" / "openapi.json"

QUERIES_TO_ASK: dict[str, list[dict[str, Any]]] = {
    "model-versions/list-by-token": [
        {"token_id": TOKEN},
        {"token_id": TOKEN, "max_results": 1},
        {"token_id": "NO-ONE"},
    ],
    "registered-models/lineage": [
        {"name": SECOND, "include_ancestors": "true"},
        {"name": FIRST, "max_results": 1},
    ],
    "tokens/list": [{}, {"prefix": "IMG"}, {"max_results": 1}],
    "tokens/get": [{"token_id": TOKEN}],
    "deltaone/detect": [{"name": SECOND}, {"name": SECOND, "version": 1}],
    "reward-events/list": [
        {},
        {"after": 1, "token_id": TOKEN},
        {"state": "recorded"},
        {"since": 0, "max_results": 1},
    ],
    "reward-events/checkpoint": [{}],
    "policy/list": [{}],
    "registered-models/history": [{"name": SECOND}, {"name": FIRST, "max_results": 1}],
    "tokens/history": [{"token_id": TOKEN}, {"token_id": TOKEN, "max_results": 1}],
    "tokens/publishers": [{"token_id": TOKEN}],
    "tokens/check": [{}, {"undeclared": "true"}],
}


def _app() -> Flask:
    """A bare Flask app with the routes; none of them is asked here."""
    app = Flask("contract")
    nothing: Any = lambda *_args, **_kwargs: {}  # noqa: E731  # no route is asked here
    wiring = Wiring(nothing, nothing, translate, PREFIXES, Access())
    app.register_blueprint(create_blueprint(wiring))
    return app


def test_description_is_openapi_3_1() -> None:
    """The description is valid OpenAPI 3.1, its schemas included."""
    description = openapi(PREFIXES)
    assert description["openapi"].startswith("3.1")
    validate(description)


def test_description_has_exactly_the_routes_of_the_url_map() -> None:
    """Every path and method that Flask serves is described under each server, and no other."""
    description = openapi(PREFIXES)
    described = {
        (server["url"] + path, method.upper())
        for server in description["servers"]
        for path, operations in description["paths"].items()
        for method in operations
    }
    served = {(path, method) for path, method in rules(_app()) if method not in ("HEAD", "OPTIONS")}
    assert served == described


def test_every_route_answers_a_query_or_runs_a_command_and_has_a_rule() -> None:
    """Routes, queries and commands are the same table, and no path of it lacks an access rule."""
    assert {route.path for route in ROUTES} == set(QUERIES) | set(COMMANDS)
    assert set(QUERIES).isdisjoint(COMMANDS)
    assert all(rules(_app()).values())


def test_shipped_description_is_the_generated_one() -> None:
    """``docs/openapi.json`` is what a server without ``--static-prefix`` serves."""
    assert json.loads(SHIPPED.read_text()) == openapi(PREFIXES)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_served_description_is_the_generated_one(sqlite_server: Server, prefix: str) -> None:
    """Each prefix serves the description."""
    status, headers, body = sqlite_server.raw("GET", f"{prefix}openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == openapi(PREFIXES)


def test_names_in_answers_are_those_of_the_domain() -> None:
    """Outcomes, directions and evidence in the contract are all that the domain has."""
    assert set(get_args(OutcomeName)) == {outcome.value for outcome in Outcome}
    assert set(get_args(DirectionName)) == {each.value for each in Direction}
    assert set(get_args(get_args(EvidenceName)[0])) == {each.value for each in Evidence}


def test_events_are_described_as_they_are_written() -> None:
    """The data of an event has no field that the contract lacks, and none that it makes up."""
    assert set(EventData.__annotations__) == DATA_KEYS | {ACTOR_KEY}


def test_the_client_knows_every_field_of_a_decision() -> None:
    """``explain_delta_one`` leaves out nothing of what ``deltaone/detect`` answers."""
    known = {field.name for field in fields(DecisionOfTheClient)}
    assert set(Decision.__annotations__) | {"name", "version"} == known


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET"], ids=lambda r: r.path)
def test_real_answers_keep_the_contract(live: Server, route: Route) -> None:
    """What a server answers has the documented fields and types, and no other, on each database."""
    for parameters in QUERIES_TO_ASK[route.path]:
        answer = live.ask(route.path, **parameters)
        assert answer.status_code == 200, answer.text
        TypeAdapter(route.answer).validate_json(answer.text)
        is_empty = route.path in ("policy/list", "tokens/check")
        asked_for_nothing = parameters.get("token_id") == "NO-ONE" or is_empty
        assert any(answer.json().values()) or asked_for_nothing


@pytest.mark.parametrize("tags", [[], [{"key": "hokusai_token_id", "value": "bad"}]])
def test_validated_tags_keep_the_contract(live: Server, tags: list[dict[str, str]]) -> None:
    """The answer about tags has the documented fields and types."""
    answer = live.post("hokusai/tags/validate", {"tags": tags})
    TypeAdapter(TagsValidated).validate_json(answer.text)
    assert answer.json()["violations"]


def test_pages_follow_each_other_without_gap(sqlite_server: Server) -> None:
    """Pages of one item each add up to the answer on one page."""
    whole = sqlite_server.ask("model-versions/list-by-token", token_id=TOKEN).json()
    found, token = [], None
    while True:
        page = sqlite_server.ask(
            "model-versions/list-by-token", token_id=TOKEN, max_results=1, page_token=token
        ).json()
        found.extend(page["model_versions"])
        token = page.get("next_page_token")
        if token is None:
            break
    assert found == whole["model_versions"]


BAD_QUERIES = {
    "an unknown parameter": "tokens/list?size=5",
    "a camelCase twin": "tokens/get?tokenId=IMG-001",
    "a camelCase twin beside the parameter": "tokens/get?token_id=IMG-001&tokenId=SEC-007",
    "a repeated parameter": "tokens/get?token_id=IMG-001&token_id=IMG-001",
    "a missing parameter": "tokens/get",
    "an empty parameter": "tokens/list?max_results=",
    "a number with a space": "tokens/list?max_results=%205",
    "a number with a line feed": "tokens/list?max_results=5%0A",
    "a number with an underscore": "tokens/list?max_results=1_0",
    "a number with a sign": "tokens/list?max_results=%2B5",
    "a number with a fraction": "tokens/list?max_results=5.0",
    "a number with an exponent": "tokens/list?max_results=1e2",
    "a hexadecimal number": "tokens/list?max_results=0x10",
    "digits that are not ASCII": "tokens/list?max_results=%D9%A3",
    "a negative number": "tokens/list?max_results=-1",
    "nothing at all": "tokens/list?max_results=0",
    "more than is allowed": "tokens/list?max_results=1001",
    "a huge number": f"tokens/list?max_results={'9' * 5000}",
    "a number beyond 64 bits": "reward-events/list?after=9223372036854775808",
    "a negative sequence": "reward-events/list?after=-1",
    "a state that is none": "reward-events/list?state=lost",
    "a time before 1970": "reward-events/list?since=-1",
    "a version beyond 32 bits": "deltaone/detect?name=first&version=2147483648",
    "a word for a number": "tokens/list?max_results=all",
    "a flag of 1": "registered-models/lineage?name=first&include_ancestors=1",
    "a flag in capitals": "registered-models/lineage?name=first&include_ancestors=True",
    "a flag of yes": "registered-models/lineage?name=first&include_ancestors=yes",
    "an empty flag": "registered-models/lineage?name=first&include_ancestors=",
    "a token id in lower case": "tokens/get?token_id=img-001",
    "a prefix that begins no token id": "tokens/list?prefix=img",
    "a forged page token": "tokens/list?page_token=forged",
    "a page token of another query": "tokens/list?page_token=W1sidG9rZW5zIl0sWzFdXQ==",
    "a parameter of a route without": "openapi.json?pretty=true",
    "a parameter without a name": "tokens/list?=5",
    "a NUL character": "deltaone/detect?name=a%00b",
}


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_bad_parameter_is_refused(sqlite_server: Server, query: str) -> None:
    """A parameter is taken as documented or refused with 400; it is never ignored or guessed."""
    status, _headers, body = sqlite_server.raw("GET", PREFIX + query)
    assert status == 400
    assert error_of(body)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_message_names_every_fault_and_the_right_spelling(sqlite_server: Server) -> None:
    """One answer tells all faults, and which parameter a camelCase twin means."""
    message = sqlite_server.ask("tokens/list", maxResults=5, prefix="x", size=1).json()["message"]
    assert "'maxResults' (did you mean 'max_results'?)" in message
    assert "'size'" in message
    assert "Parameters are: max_results, page_token, prefix." in message


def test_get_route_refuses_a_body(sqlite_server: Server) -> None:
    """Parameters in the body of a GET would be ignored, so they are refused."""
    status, _headers, body = sqlite_server.raw("GET", f"{PREFIX}tokens/list", b'{"prefix": "IMG"}')
    assert status == 400
    assert "not in a body" in error_of(body)["message"]


@pytest.mark.parametrize("parameters", [of_routes.GetLineage, of_routes.Detect])
def test_a_name_with_a_nul_is_not_valid_by_the_schema(parameters: type[Parameters]) -> None:
    """What no database can store is refused by the schema, too, and not by the server alone."""
    pattern = parameters.model_json_schema()["properties"]["name"]["pattern"]
    assert re.search(pattern, "a name")
    assert not re.search(pattern, "a\0name")
    assert not re.search(pattern, "\0")


def test_an_empty_page_token_is_the_first_page(sqlite_server: Server) -> None:
    """As the description says."""
    first = sqlite_server.ask("tokens/list", max_results=1).json()
    assert sqlite_server.ask("tokens/list", max_results=1, page_token="").json() == first
