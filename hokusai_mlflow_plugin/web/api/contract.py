"""The OpenAPI 3.1 description of the routes, made from their table.

Pydantic makes the schemas, from the same models that parse requests and that tests hold answers to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from hokusai_mlflow_plugin import __version__
from hokusai_mlflow_plugin.web.access import Rule
from hokusai_mlflow_plugin.web.api.answers.common import Error
from hokusai_mlflow_plugin.web.api.event_schemas import event_schemas
from hokusai_mlflow_plugin.web.api.routes import ROUTES, Route
from hokusai_mlflow_plugin.web.bodies import MAX_BODY_BYTES

OPENAPI_PATH = "openapi.json"
SCHEMAS_PATH = "reward-events/schemas"
DOCUMENT_RULE = Rule.LOGGED_IN

_REF = "#/components/schemas/{model}"
_JSON = "application/json"

Json = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A route without parameters that answers everybody the same; no query is asked for it."""

    path: str
    summary: str
    content: Callable[[Sequence[str]], Json]
    """Made once, of the paths that the routes are served under."""

    @property
    def endpoint(self) -> str:
        return self.path.replace("/", "_").replace("-", "_").replace(".", "_")


def documents() -> tuple[Document, ...]:
    """All of them."""
    return (
        Document(
            SCHEMAS_PATH,
            "The JSON Schema of each type of reward event, by type.",
            lambda _prefixes: event_schemas(),
        ),
        Document(OPENAPI_PATH, "This description, as OpenAPI 3.1.", openapi),
    )


def openapi(prefixes: Sequence[str]) -> Json:
    """The description of every route.

    Args:
        prefixes: The paths that the routes are served under, such as ``/api/2.0/hokusai/``.
    """
    schemas = _schemas()
    paths: Json = {f"/{route.path}": _path(route) for route in ROUTES}
    paths.update({f"/{each.path}": {"get": _describe(each)} for each in documents()})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hokusai model registry",
            "version": __version__,
            "description": "Queries about tokens, lineage and rewards, beside MLflow's own API; "
            "corrections, reviews and settlements of rewards.",
        },
        "servers": [{"url": prefix.rstrip("/")} for prefix in prefixes],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas)},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{}, {"basic": []}],
    }


def _schemas() -> Json:
    """Every answer and body, by name."""
    adapters = [TypeAdapter(each) for each in (*(route.answer for route in ROUTES), Error)]
    _keys, of_answers = TypeAdapter.json_schemas(
        [(adapter, "validation", adapter) for adapter in adapters], ref_template=_REF
    )
    bodies = [route.parameters for route in ROUTES if route.method == "POST"]
    _models, of_bodies = models_json_schema(
        [(body, "validation") for body in bodies], ref_template=_REF
    )
    return {**of_answers["$defs"], **of_bodies["$defs"]}


def _path(route: Route) -> Json:
    operation: Json = {
        "operationId": route.endpoint,
        "summary": route.summary,
        "description": f"Permission: {route.rule.value}",
        "responses": {
            "200": _answer("The answer.", _ref(route.answer.__name__)),
            **_errors(route.not_found, route.conflict, has_body=route.method == "POST"),
        },
    }
    if route.method == "POST":
        body = {"schema": _ref(route.parameters.__name__)}
        operation["requestBody"] = {"required": True, "content": {_JSON: body}}
    else:
        operation["parameters"] = _query(route)
    return {route.method.lower(): operation}


def _query(route: Route) -> list[Json]:
    schema = route.parameters.model_json_schema(ref_template=_REF)
    required = schema.get("required", ())
    return [_parameter(name, one, name in required) for name, one in schema["properties"].items()]


def _parameter(name: str, schema: Json, required: bool) -> Json:
    schema = {key: value for key, value in schema.items() if key != "title"}
    description = schema.pop("description", "")
    if "anyOf" in schema:  # an optional parameter is left out, never null
        (given,) = (one for one in schema.pop("anyOf") if one["type"] != "null")
        schema = {**given, **{key: value for key, value in schema.items() if key != "default"}}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }


def _errors(
    not_found: str | None = None, conflict: str | None = None, *, has_body: bool = False
) -> Json:
    error = _ref("Error")
    found = {
        "400": _answer("A parameter cannot be used; the message names each fault.", error),
        "401": {"description": "Under basic-auth: no valid user and password."},
        "403": _answer("The user lacks the permission, or MLflow refuses host or origin.", error),
        "503": _answer("The database cannot be reached; try again.", error),
    }
    found["403"]["content"]["text/plain"] = {"schema": {"type": "string"}}
    if not_found:
        found["404"] = _answer(not_found, error)
    if conflict:
        found["409"] = _answer(conflict, error)
    if has_body:
        found["413"] = _answer(f"The body is larger than {MAX_BODY_BYTES} bytes.", error)
    return dict(sorted(found.items()))


def _describe(document: Document) -> Json:
    return {
        "operationId": document.endpoint,
        "summary": document.summary,
        "description": f"Permission: {DOCUMENT_RULE.value}",
        "responses": {"200": _answer("The document.", {"type": "object"}), **_errors()},
    }


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(model=name)}
