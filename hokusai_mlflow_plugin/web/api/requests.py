"""Parsing a request into the parameters of its route."""

from __future__ import annotations

from typing import Any, TypeVar

from flask import Request
from pydantic import ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.web.api.parameters import Parameters
from hokusai_mlflow_plugin.web.bodies import json_object, refuse_body

P = TypeVar("P", bound=Parameters)

_SHOWN_FAULTS = 10


def parse(request: Request, parameters: type[P]) -> P:
    """The parameters of a request, each given once and none unknown.

    Raises:
        InvalidRequest: Every fault found, in one message (the first ten of many).
    """
    given = _body(request) if request.method == "POST" else _query(request)
    known = parameters.model_fields
    try:
        return parameters.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [_fault(each, known) for each in found[:_SHOWN_FAULTS]]
        if len(found) > _SHOWN_FAULTS:
            faults.append(f"and {len(found) - _SHOWN_FAULTS} more faults")
        allowed = f"Parameters are: {', '.join(known)}." if known else "There are no parameters."
        raise InvalidRequest(f"{'; '.join(faults)}. {allowed}") from None


def _query(request: Request) -> dict[str, Any]:
    refuse_body(request)
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        raise InvalidRequest(f"Parameter {shown(repeated[0])} is given twice.")
    return dict(request.args.items())


def _body(request: Request) -> dict[str, Any]:
    if request.args:
        raise InvalidRequest("This route takes its parameters in a JSON body, not in the query.")
    return json_object(request)


def _fault(error: ErrorDetails, known: Any) -> str:
    where = shown(".".join(str(part) for part in error["loc"]))
    if error["type"] == "missing":
        return f"Missing value for required parameter {where}"
    if error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        twin = to_snake(name) if len(error["loc"]) == 1 else name
        hint = f" (did you mean {shown(twin)}?)" if twin != name and twin in known else ""
        return f"Unknown parameter {where}{hint}"
    reason = error["msg"].removeprefix("Value error, ")
    return f"Parameter {where} is {shown(str(error['input']))}: {reason}"
