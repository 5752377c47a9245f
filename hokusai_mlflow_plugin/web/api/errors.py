"""Errors as MLflow's clients understand them: one JSON body for all."""

from __future__ import annotations

import logging

from flask import Request, Response
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    ENDPOINT_NOT_FOUND,
    FEATURE_DISABLED,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    TEMPORARILY_UNAVAILABLE,
    ErrorCode,
)
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from hokusai_mlflow_plugin.db.transient_errors import is_about_values
from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.web.api.routes import ROUTES
from hokusai_mlflow_plugin.web.bodies import BodyTooLarge
from hokusai_mlflow_plugin.web.server import methods_of

_logger = logging.getLogger("hokusai.web")

_TOO_LARGE = 413
_SERVER_ERROR = 500


def response(error: MlflowException, cause: HokusaiError | None = None) -> Response:
    """The answer for an error; what a database says about itself goes to the log instead.

    Args:
        error: The error as MLflow knows it.
        cause: What it was translated from.
    """
    status: int = error.get_http_status_code()
    # A driver's message quotes the statement, and with it values and names of tables.
    if isinstance(error.__cause__, SQLAlchemyError):
        _logger.error("The database failed: %s", type(error.__cause__).__name__, exc_info=error)
        error = _without_details(error.__cause__)
        status = error.get_http_status_code()
    elif status >= _SERVER_ERROR:
        _logger.error("A query could not be answered.", exc_info=error)
    if isinstance(cause, BodyTooLarge):
        status = _TOO_LARGE
    return _body(error, status)


def http_response(error: HTTPException) -> Response:
    """The answer for what Flask itself refuses, such as a request that breaks off."""
    status = error.code or _SERVER_ERROR
    code = BAD_REQUEST if status < _SERVER_ERROR else INTERNAL_ERROR
    return _body(MlflowException(error.name, error_code=code), status)


def unexpected_response(error: Exception) -> Response:
    """The answer for a fault of ours: it is in the log, not in the answer."""
    _logger.error("A request failed unexpectedly.", exc_info=error)
    fault = MlflowException("The registry failed; see its log.", error_code=INTERNAL_ERROR)
    return _body(fault, _SERVER_ERROR)


def without_feature(refusal: Response) -> Response:
    """MLflow's refusal; 400 where the request asks for a feature that this server has not."""
    told = refusal.get_json(silent=True)
    if not isinstance(told, dict) or told.get("error_code") != ErrorCode.Name(FEATURE_DISABLED):
        return refusal
    message = f"{told.get('message')}. Leave the header X-MLFLOW-WORKSPACE out."
    return _body(MlflowException(message, error_code=INVALID_PARAMETER_VALUE), 400)


def no_such_route(request: Request, path: str) -> Response:
    """404 for a path that is no route, 405 for a route's path with another method."""
    known = [route for route in ROUTES if route.path == path]
    if request.method == "OPTIONS" or not known:
        message = f"There is no route {shown(path)}. 'openapi.json' lists those that are."
        return _body(MlflowException(message, error_code=ENDPOINT_NOT_FOUND), 404)
    message = f"Method {request.method} is not one of this route's."
    refused = _body(MlflowException(message, error_code=BAD_REQUEST), 405)
    refused.headers["Allow"] = methods_of(known[0].method)
    return refused


def _without_details(cause: SQLAlchemyError) -> MlflowException:
    if is_about_values(cause):
        return MlflowException(
            "The database cannot take a value of this request.",
            error_code=INVALID_PARAMETER_VALUE,
        )
    return MlflowException(
        "The registry's database cannot answer now; try again.", error_code=TEMPORARILY_UNAVAILABLE
    )


def _body(error: MlflowException, status: int) -> Response:
    return Response(error.serialize_as_json(), status=status, mimetype="application/json")
