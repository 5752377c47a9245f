"""Parsing a request into the parameters of its route."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import Request
from pydantic import ValidationError

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.web.parameters import Parameters

P = TypeVar("P", bound=Parameters)


def parse(request: Request, parameters: type[P]) -> P:
    """The parameters of a request, each given once and none unknown.

    Raises:
        InvalidRequest: Every fault found, in one message.
    """
    given = _query(request) if request.method in ("GET", "HEAD") else _body(request)
    try:
        return parameters.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(_fault(each) for each in error.errors(include_url=False))
        known = ", ".join(parameters.model_fields)
        raise InvalidRequest(f"{faults}. Parameters are: {known}.") from None


def _query(request: Request) -> dict[str, Any]:
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        raise InvalidRequest(f"Parameter {', '.join(map(shown, repeated))} is given twice.")
    return dict(request.args.items())


def _body(request: Request) -> dict[str, Any]:
    if request.args:
        raise InvalidRequest("This route takes its parameters in a JSON body, not in the query.")
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InvalidRequest("Send a JSON object with content type application/json.")
    return body


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"Missing value for required parameter '{where}'"
    if error["type"] == "extra_forbidden":
        return f"Unknown parameter {shown(where)}"
    return f"Parameter '{where}' is {shown(str(error['input']))}: {error['msg']}"
