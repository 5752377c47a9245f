"""Errors of ours and of MLflow's, as its clients know them."""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    PERMISSION_DENIED,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    ErrorCode,
)
from sqlalchemy.exc import SQLAlchemyError

from hokusai_mlflow_plugin.db.transient_errors import is_about_values, is_read_only
from hokusai_mlflow_plugin.domain.errors import (
    ConcurrentWrite,
    CorrectionRefused,
    DamagedLedger,
    DamagedSeries,
    EventNotFound,
    HokusaiError,
    ModelNotFound,
    NoCheckpoint,
    NotAPublisher,
    ReviewerNotAllowed,
    SeriesNotFound,
    TagsLocked,
    TokenNotDeclared,
    TokenNotFound,
)


class RegistryInvalidRequest(MlflowException, ValueError):
    """A refused request as MLflow reports it (HTTP 400), and a ``ValueError`` in Python (R6)."""

    def __init__(self, message: str) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)  # type: ignore[call-arg]


class RegistryConflict(MlflowException, ValueError):
    """A write that what was decided before forbids (HTTP 409), and a ``ValueError`` (R10)."""

    def __init__(self, message: str) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=RESOURCE_CONFLICT)  # type: ignore[call-arg]


class RegistryDenied(MlflowException, ValueError):
    """A refused request whose sender is at fault (HTTP 403), and a ``ValueError`` (R18)."""

    def __init__(self, message: str) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=PERMISSION_DENIED)  # type: ignore[call-arg]


_NOT_FOUND = (
    EventNotFound,
    ModelNotFound,
    NoCheckpoint,
    SeriesNotFound,
    TokenNotDeclared,
    TokenNotFound,
)
_CONFLICTS = (ConcurrentWrite, CorrectionRefused, DamagedLedger, DamagedSeries, TagsLocked)


def translate(error: HokusaiError) -> MlflowException:
    """The same error as MLflow's clients and servers know it."""
    message = str(error)
    if isinstance(error, _NOT_FOUND):
        return MlflowException(message, error_code=RESOURCE_DOES_NOT_EXIST)
    if isinstance(error, _CONFLICTS):
        return RegistryConflict(message)
    if isinstance(error, NotAPublisher):
        return RegistryDenied(message)
    if isinstance(error, ReviewerNotAllowed):
        return MlflowException(message, error_code=PERMISSION_DENIED)
    if isinstance(error, ValueError):
        return RegistryInvalidRequest(message)
    return MlflowException(message, error_code=INVALID_STATE)


def without_wrong_source(error: MlflowException) -> MlflowException:
    """The error of ``create_model_version``, where its source is at fault with that fault's code.

    MLflow wraps whatever it finds wrong with a ``models:/`` source into an internal error
    (``sqlalchemy_store.create_model_version``, MLflow 3.17.2).
    """
    cause = error.__cause__
    if error.error_code != ErrorCode.Name(INTERNAL_ERROR):
        return error
    if isinstance(cause, MlflowException):
        return MlflowException(error.message, error_code=ErrorCode.Value(cause.error_code))
    if isinstance(cause, TypeError) and error.message.startswith("Unable to fetch model"):
        return MlflowException(error.message, error_code=INVALID_PARAMETER_VALUE)  # an alias
    return error


def without_wrong_stage(error: MlflowException) -> MlflowException:
    """The error of ``transition_model_version_stage``, where its parameters are at fault.

    MLflow 3.17 gives it no code, so it counts as an internal one.
    """
    if "cannot archive existing model versions" not in error.message:
        return error
    return MlflowException(error.message, error_code=INVALID_PARAMETER_VALUE)


def of_another_server(error: MlflowException, model_id: str, address: str) -> MlflowException:
    """The error of ``create_model_version``, where it is that no logged model has this id here.

    Args:
        error: What MLflow says.
        model_id: The logged model.
        address: This server's, as its client knows it.
    """
    missing = error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
    if not missing or model_id not in error.message:
        return error
    return MlflowException(
        f"Logged model {model_id} is not on {address}, which was asked to register it: another "
        "server has it, or a database or folder of the client. Either set the client's registry "
        f"URI to hokusai+{address}, with hokusai-mlflow-plugin installed there, and the model is "
        "found where it was logged; or start this server on the database that tracks the client's "
        "runs (--backend-store-uri), with a --registry-store-uri of its own.",
        error_code=RESOURCE_DOES_NOT_EXIST,
    )


def without_sql(error: MlflowException) -> MlflowException:
    """The error of a session, where the database is at fault and not the request.

    MLflow answers those with what the database said, the statement included, and most with a 400
    (``mlflow.store.db.utils``, MLflow 3.17).
    """
    cause = error.__cause__
    if is_read_only(cause):
        message = "The registry's database is read-only: nothing was written."
        return MlflowException(message, error_code=TEMPORARILY_UNAVAILABLE)
    wrong_request = error.error_code == ErrorCode.Name(BAD_REQUEST)
    if wrong_request and isinstance(cause, SQLAlchemyError) and not is_about_values(cause):
        message = "The registry's database cannot answer now; try again. Its log says why."
        return MlflowException(message, error_code=TEMPORARILY_UNAVAILABLE)
    return error
