"""The Flask blueprint with every route."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from mlflow.exceptions import MlflowException
from werkzeug.exceptions import HTTPException

from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.services.visibility import stored_name
from hokusai_mlflow_plugin.web.access import Access, Rule, visible_to_sender, withhold
from hokusai_mlflow_plugin.web.api import errors
from hokusai_mlflow_plugin.web.api.contract import OPENAPI_PATH, OPENAPI_RULE, openapi
from hokusai_mlflow_plugin.web.api.parameters import Nothing
from hokusai_mlflow_plugin.web.api.requests import parse
from hokusai_mlflow_plugin.web.api.routes import ROUTES, Route

NAME = "hokusai"
_UNAUTHORIZED = 401

Ask = Callable[..., Any]
"""Puts a query to the registry: ``ask(query, **parameters)``."""
Translate = Callable[[HokusaiError], MlflowException]
View = Callable[[], Response]


@dataclass(frozen=True)
class Server:
    """What the routes need from the server that they are mounted in."""

    ask: Ask
    """Puts a query to the registry store, in the request's workspace."""
    change: Ask
    """Has the registry store run a command there."""
    translate: Translate
    """Turns our errors into MLflow's."""
    prefixes: Sequence[str]
    """The paths that the routes are served under, each with a slash at its end."""
    access: Access


def create_blueprint(server: Server) -> Blueprint:
    """All routes under every prefix, each with its rule, and an answer for any other path."""
    blueprint = Blueprint(NAME, __name__)
    description = json.dumps(openapi(server.prefixes))
    # Numbered, because Flask wants another endpoint for each path.
    for number, prefix in enumerate(server.prefixes):
        for route in ROUTES:
            view = _Ruled(route.path, route.rule, _view(route, server))
            _add(blueprint, route.method, prefix, f"{route.endpoint}_{number}", view)
        view = _Ruled(OPENAPI_PATH, OPENAPI_RULE, _openapi_view(description, server))
        _add(blueprint, "GET", prefix, f"openapi_json_{number}", view)
        _add_unknown(blueprint, prefix, f"unknown_{number}")
    blueprint.register_error_handler(
        HokusaiError, lambda error: errors.response(server.translate(error), error)
    )
    blueprint.register_error_handler(MlflowException, errors.response)
    blueprint.register_error_handler(HTTPException, errors.http_response)
    # Else Flask answers with a page for people, which MLflow's clients cannot read.
    blueprint.register_error_handler(Exception, errors.unexpected_response)
    blueprint.before_request(_note_arrival)
    blueprint.after_request(_private)
    # Runs before the one above, which is then that of its answer, too.
    blueprint.after_request(_refusal_in_our_order(server.access))
    return blueprint


def rules(app: Flask) -> dict[tuple[str, str], Rule | None]:
    """The access rule of each path and method of ours; None where one has been forgotten.

    Paths that are answered with "no such route" alone are left out.
    """
    found: dict[tuple[str, str], Rule | None] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{NAME}.") and not rule.arguments:
            view = app.view_functions[rule.endpoint]
            for method in sorted(rule.methods or ()):
                found[rule.rule, method] = getattr(view, "rule", None)
    return found


class _Ruled:
    """A view with the path and the access rule of its route beside it."""

    def __init__(self, path: str, rule: Rule, view: View) -> None:
        self.path = path
        self.rule = rule
        self._view = view

    def __call__(self) -> Response:
        if request.method == "OPTIONS":
            return errors.allowed(request)
        return self._view()


def _view(route: Route, server: Server) -> View:
    def stored(name: str) -> str:
        return str(server.ask(stored_name, name=name))

    def view() -> Response:
        parameters = parse(request, route.parameters).model_dump()
        visible = visible_to_sender(server.access, route.rule, parameters, stored)
        if route.command is not None:
            answer = server.change(route.command, **parameters)
        elif route.is_filtered:
            answer = server.ask(route.query, **parameters, visible=visible)
        else:
            answer = server.ask(route.query, **parameters)
        # An administrator sees every run; asking MLflow for what to withhold costs queries.
        if not visible.all:
            answer = withhold(answer, server.access.withheld_fields())
        return Response(json.dumps(answer), mimetype="application/json")

    return view


def _openapi_view(description: str, server: Server) -> View:
    def view() -> Response:
        visible_to_sender(server.access, OPENAPI_RULE, parse(request, Nothing).model_dump())
        return Response(description, mimetype="application/json")

    return view


def _add(blueprint: Blueprint, method: str, prefix: str, endpoint: str, view: _Ruled) -> None:
    methods = [method, "OPTIONS"]
    blueprint.add_url_rule(
        prefix + view.path, endpoint, view, methods=methods, provide_automatic_options=False
    )


def _add_unknown(blueprint: Blueprint, prefix: str, endpoint: str) -> None:
    """MLflow's error body, instead of a page, for wrong paths and methods under a prefix."""

    def unknown(path: str) -> Response:
        return errors.no_such_route(request, path)

    blueprint.add_url_rule(
        f"{prefix}<path:path>",
        endpoint,
        unknown,
        methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"],
        provide_automatic_options=False,
    )


def _note_arrival() -> None:
    """Nobody has refused the request before it came to our routes."""
    g.hokusai_arrived = True


def _refusal_in_our_order(access: Access) -> Callable[[Response], Response]:
    """What MLflow refused before it authenticated the sender, such as a wrong workspace.

    401 comes first, and a workspace on a server that has none is a wrong request and not, as MLflow
    has it, a fault of the server (500).
    """

    def answer(response: Response) -> Response:
        if g.get("hokusai_arrived") or response.status_code == _UNAUTHORIZED:
            return response
        return access.challenge() or errors.without_feature(response)

    return answer


def _private(response: Response) -> Response:
    """Answers are data of this user: no cache keeps them and no browser guesses their type."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
