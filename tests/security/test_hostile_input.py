"""Hostile values against a live server on each database: no 5xx, and nothing half-written."""

from __future__ import annotations

import base64
import itertools
import json
import operator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from security.seeds import FIRST, TOKEN
from security.servers import JSON, PREFIX, Server, error_of
from support.examples import share

from hokusai_mlflow_plugin.web.api.routes import ROUTES, Route

EXAMPLES = share(100)
GET_ROUTES = [route for route in ROUTES if route.method == "GET"]
MLFLOW = "/api/2.0/mlflow/"

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SNIPPETS = [
    "\0",
    "IMG-001\0",
    "\ud800",
    "\udfff\ud800",
    "\u202eevil",
    "e\u0301\u0327" * 50,
    "\U0001f600",
    "\ufeffIMG-001",
    "ＩＭＧ-００１",
    "' OR '1'='1",
    "IMG-001'; DROP TABLE hokusai_token_index; --",
    'x" UNION SELECT password FROM users --',
    "%",
    "_",
    "\\",
    "%s %(name)s {0} ${jndi:ldap://x}",
    "../../../etc/passwd",
    "models:/first/1",
    "\r\nX-Injected: 1",
    "<script>alert(1)</script>",
    "nan",
    "-1",
    "0",
    "1e400",
    "9" * 400,
    "-9223372036854775809",
    "A" * 3000,
    " ",
    "",
]
hostile_text = st.one_of(
    st.sampled_from(SNIPPETS),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.builds(operator.add, st.sampled_from(["IMG-001", "first", "0.5"]), st.text(max_size=4)),
)
raw_query_value = st.one_of(
    hostile_text.map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
    st.binary(max_size=20).map(lambda raw: quote(raw, safe="")),
    st.sampled_from(["%", "%zz", "%00", "%ED%A0%80", "%C0%80", "%FF%FE"]),
)


def _forged(query: Any, position: Any) -> str:
    """A page token as ``services.queries.pagination`` makes it, with whatever in it."""
    return base64.urlsafe_b64encode(json.dumps([list(query), position]).encode()).decode()


forged_tokens = st.one_of(
    st.builds(
        _forged,
        st.sampled_from(
            [("list-by-token", TOKEN), ("lineage", FIRST), ("tokens", ""), ("policy",)]
        ),
        st.lists(
            st.one_of(
                st.integers(-(2**80), 2**80),
                st.sampled_from([2**31, 2**62, 2**63 - 1, 2**63]),
                st.sampled_from(["", "\0", "\ud800", "first", "z" * 2000]),
                st.none(),
                st.booleans(),
                st.lists(st.integers(), max_size=2),
            ),
            max_size=4,
        ),
    ),
    st.binary(max_size=30).map(lambda raw: raw.hex()),
    st.just("A" * 9000),
)


def _queries(route: Route) -> st.SearchStrategy[str]:
    """Query strings of a route: documented parameters with hostile values, some twice."""
    names = st.sampled_from([*route.parameters.model_fields, "unknown", "tokenId"])
    honest = {"token_id": TOKEN, "name": FIRST}
    required = [
        f"{name}={honest[name]}"
        for name, field in route.parameters.model_fields.items()
        if field.is_required()
    ]
    pairs = st.lists(
        st.one_of(
            st.builds(lambda name, value: f"{name}={value}", names, raw_query_value),
            forged_tokens.map(lambda token: f"page_token={quote(token, safe='')}"),
        ),
        max_size=3,
    )
    return st.builds(
        lambda given, honestly: "&".join([*given, *(required if honestly else ())]),
        pairs,
        st.booleans(),
    )


@pytest.mark.parametrize("route", GET_ROUTES, ids=lambda route: route.path)
def test_hostile_queries_are_answered(live: Server, route: Route) -> None:
    """Whatever stands in a query, the answer is a 4xx with MLflow's body or a correct 2xx."""

    @fuzzed
    @given(query=_queries(route))
    def ask(query: str) -> None:
        status, headers, body = live.raw("GET", f"{PREFIX}{route.path}?{query}")
        assert status < 500, body
        assert headers["content-type"] == "application/json"
        if status == 200:
            TypeAdapter(route.answer).validate_json(body)
        else:
            assert error_of(body)["message"]

    ask()


def test_hostile_tags_are_validated(live: Server) -> None:
    """Whatever tags are asked about, the answer is a 400 or a verdict."""

    @fuzzed
    @given(
        tags=st.lists(
            st.tuples(st.one_of(hostile_text, st.sampled_from(TAG_KEYS)), hostile_text), max_size=6
        )
    )
    def ask(tags: list[tuple[str, str]]) -> None:
        body = json.dumps({"tags": [{"key": key, "value": value} for key, value in tags]})
        status, _headers, answer = live.raw("POST", f"{PREFIX}tags/validate", body.encode(), JSON)
        assert status in (200, 400), answer

    ask()


TAG_KEYS = [
    "hokusai_token_id",
    "benchmark_metric",
    "benchmark_value",
    "benchmark_direction",
    "contributor",
    "contributor_address",
    "previous_version",
]
_numbers = itertools.count(1)


@pytest.mark.parametrize("key", TAG_KEYS)
def test_hostile_tags_are_refused_or_kept_whole(live: Server, key: str) -> None:
    """A version with hostile tags is refused with 4xx, or is there with exactly these tags.

    What was refused has left no version, and what was taken is found under its token.
    """
    name = f"hostile {next(_numbers)}"
    assert live.post("mlflow/registered-models/create", {"name": name}).ok

    @fuzzed
    @given(value=hostile_text)
    @example(value="a\0b")
    @example(value="x" * 5001)
    @example(value="x" * 100_001)
    @example(value="é" * 1_000_000)
    def create(value: str) -> None:
        tags = {"hokusai_token_id": "FUZZ-1", "benchmark_metric": "f1", "benchmark_value": "0.5"}
        tags[key] = value
        listed = [{"key": each, "value": text} for each, text in tags.items()]
        body = json.dumps({"name": name, "source": "s3://b/m", "tags": listed}).encode()
        status, _headers, answer = live.raw("POST", f"{MLFLOW}model-versions/create", body, JSON)
        assert status < 500, answer
        if status == 200:
            created.append(json.loads(answer)["model_version"]["version"])
            if _is_unicode(value):
                kept = {tag["key"]: tag["value"] for tag in _tags(live, name, created[-1])}
                assert kept == tags

    created: list[str] = []
    create()
    lineage = live.ask("registered-models/lineage", name=name, max_results=1000).json()["lineage"]
    assert [item["model_version"]["version"] for item in lineage] == created


@pytest.mark.parametrize("key", TAG_KEYS)
def test_hostile_amendment_leaves_an_index_that_is_the_tags(live: Server, key: str) -> None:
    """Setting a hostile tag is a 4xx or is done; the lineage then says what the tags say."""
    name = f"amended {next(_numbers)}"
    tags = {"hokusai_token_id": "FUZZ-2", "benchmark_metric": name, "benchmark_value": "0.5"}
    listed = [{"key": each, "value": text} for each, text in tags.items()]
    assert live.post("mlflow/registered-models/create", {"name": name}).ok
    version = {"name": name, "source": "s3://b/m", "tags": listed}
    assert live.post("mlflow/model-versions/create", version).ok

    @fuzzed
    @given(value=hostile_text)
    @example(value="a\0b")
    @example(value="x" * 5001)
    @example(value="x" * 100_001)
    @example(value="é" * 1_000_000)
    def amend(value: str) -> None:
        body = json.dumps({"name": name, "version": "1", "key": key, "value": value}).encode()
        status, _headers, answer = live.raw("POST", f"{MLFLOW}model-versions/set-tag", body, JSON)
        assert status < 500, answer

    amend()
    (item,) = live.ask("registered-models/lineage", name=name).json()["lineage"]
    kept = {tag["key"]: tag["value"] for tag in _tags(live, name, "1")}
    assert item["token_id"] == kept["hokusai_token_id"]
    assert item["benchmark_metric"] == kept["benchmark_metric"]
    assert item["benchmark_value"] == kept["benchmark_value"]


def test_hostile_model_names_are_refused_or_found(live: Server) -> None:
    """A model of any name that MLflow takes is answered for, and under no other name."""

    @fuzzed
    @given(name=st.one_of(hostile_text, st.just("x" * 257)))
    def create(name: str) -> None:
        body = json.dumps({"name": name, "tags": [{"key": "hokusai_token_id", "value": "FUZZ-3"}]})
        status, _headers, answer = live.raw(
            "POST", f"{MLFLOW}registered-models/create", body.encode(), JSON
        )
        assert status < 500, answer
        if status == 200 and _is_unicode(name) and "\0" not in name:
            target = f"{PREFIX}deltaone/detect?name={quote(name, safe='')}"
            found, _headers, detected = live.raw("GET", target)
            assert (found, json.loads(detected)["name"]) == (200, name)

    create()


def _tags(server: Server, name: str, version: str) -> list[dict[str, str]]:
    target = f"{MLFLOW}model-versions/get?name={quote(name)}&version={version}"
    status, _headers, answer = server.raw("GET", target)
    assert status == 200, answer
    found: list[dict[str, str]] = json.loads(answer)["model_version"]["tags"]
    return [{"value": "", **tag} for tag in found]


def _is_unicode(text: str) -> bool:
    """Whether the text survives UTF-8; protobuf makes an empty string of any other."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
