"""The Flask blueprint with every route."""

from __future__ import annotations

import json

from flask import Blueprint, Response, request
from mlflow.exceptions import MlflowException
from werkzeug.exceptions import HTTPException

from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.services.visibility import stored_name
from hokusai_mlflow_plugin.web.access import visible_to_sender, withhold
from hokusai_mlflow_plugin.web.api import errors
from hokusai_mlflow_plugin.web.api.contract import DOCUMENT_RULE, documents
from hokusai_mlflow_plugin.web.api.parameters import Nothing
from hokusai_mlflow_plugin.web.api.requests import parse
from hokusai_mlflow_plugin.web.api.routes import ROUTES, Route
from hokusai_mlflow_plugin.web.server import (
    API_NAME,
    Ruled,
    Server,
    View,
    note_arrival,
    private,
    refusal_in_our_order,
)


def create_blueprint(server: Server) -> Blueprint:
    """All routes under every prefix, each with its rule, and an answer for any other path."""
    blueprint = Blueprint(API_NAME, __name__)
    texts = [(each, json.dumps(each.content(server.prefixes))) for each in documents()]
    # Numbered, because Flask wants another endpoint for each path.
    for number, prefix in enumerate(server.prefixes):
        for route in ROUTES:
            view = Ruled(route.path, route.rule, _view(route, server))
            _add(blueprint, route.method, prefix, f"{route.endpoint}_{number}", view)
        for document, text in texts:
            view = Ruled(document.path, DOCUMENT_RULE, _document_view(text, server))
            _add(blueprint, "GET", prefix, f"{document.endpoint}_{number}", view)
        _add_unknown(blueprint, prefix, f"unknown_{number}")
    blueprint.register_error_handler(
        HokusaiError, lambda error: errors.response(server.translate(error), error)
    )
    blueprint.register_error_handler(MlflowException, errors.response)
    blueprint.register_error_handler(HTTPException, errors.http_response)
    # Else Flask answers with a page for people, which MLflow's clients cannot read.
    blueprint.register_error_handler(Exception, errors.unexpected_response)
    blueprint.before_request(note_arrival)
    blueprint.after_request(private)
    # Runs before the one above, which is then that of its answer, too. A workspace on a server that
    # has none is a wrong request and not, as MLflow 3.17 has it, a fault of the server (500).
    blueprint.after_request(refusal_in_our_order(server.access, errors.without_feature))
    return blueprint


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


def _document_view(text: str, server: Server) -> View:
    def view() -> Response:
        visible_to_sender(server.access, DOCUMENT_RULE, parse(request, Nothing).model_dump())
        return Response(text, mimetype="application/json")

    return view


def _add(blueprint: Blueprint, method: str, prefix: str, endpoint: str, view: Ruled) -> None:
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
