"""The Flask blueprint with every route."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from mlflow.exceptions import MlflowException

from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.web.requests import parse
from hokusai_mlflow_plugin.web.routes import PREFIXES, ROUTES, Route

NAME = "hokusai"

Ask = Callable[..., dict[str, Any]]
"""Puts a question to the registry: ``ask(question, **parameters)``."""
Translate = Callable[[HokusaiError], MlflowException]


def create_blueprint(ask: Ask, translate: Translate, static_prefix: str = "") -> Blueprint:
    """All routes, under both prefixes.

    Args:
        ask: Puts a question to the server's registry store, in the request's workspace.
        translate: Turns our errors into MLflow's.
        static_prefix: MLflow's ``--static-prefix``. As with MLflow's own routes, the paths under
            ``/api`` do not carry it.
    """
    blueprint = Blueprint(NAME, __name__)
    for route in ROUTES:
        view = _view(route, ask)
        for prefix in PREFIXES:
            rule = (static_prefix if prefix.startswith("/ajax-api") else "") + prefix + route.path
            endpoint = f"{route.endpoint}_{'ajax' if 'ajax' in prefix else 'api'}"
            blueprint.add_url_rule(rule, endpoint, view, methods=[route.method])
    blueprint.register_error_handler(MlflowException, _error)
    blueprint.register_error_handler(HokusaiError, lambda error: _error(translate(error)))
    return blueprint


def _view(route: Route, ask: Ask) -> Callable[[], Response]:
    def view() -> Response:
        parameters = parse(request, route.parameters)
        named = {name: getattr(parameters, name) for name in type(parameters).model_fields}
        return jsonify(ask(route.question, **named))

    view.__doc__ = route.summary
    return view


def _error(error: MlflowException) -> Response:
    """MLflow's own error body, so that every MLflow client understands it."""
    return Response(
        error.serialize_as_json(), status=error.get_http_status_code(), mimetype="application/json"
    )
