"""What the client raises, and the translation of what MLflow and the rules raise.

Source: R6 and R15.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    FEATURE_DISABLED,
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.domain.tag_warnings import TagWarning

__all__ = ["HokusaiWarning", "NotTokenAware", "NotTokenised", "RequestRefused"]


def __dir__() -> list[str]:
    return __all__


_REFUSALS = {
    ErrorCode.Name(code): code
    for code in (INVALID_PARAMETER_VALUE, RESOURCE_CONFLICT, PERMISSION_DENIED)
}


class RequestRefused(HokusaiError, MlflowException, ValueError):
    """The request breaks a rule, whether the client or the registry found that."""

    def __init__(self, message: str, error_code: int = INVALID_PARAMETER_VALUE) -> None:
        # mypy does not see MLflow's base class (pyproject.toml).
        super().__init__(message, error_code=error_code)  # type: ignore[call-arg]


class NotTokenAware(HokusaiError, MlflowException):
    """The registry URI leads to a registry that knows no tokens."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=FEATURE_DISABLED)  # type: ignore[call-arg]


class NotTokenised(HokusaiError, MlflowException, LookupError):
    """The version exists, but it is no tokenised one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=RESOURCE_DOES_NOT_EXIST)  # type: ignore[call-arg]


class HokusaiWarning(UserWarning):
    """A registration that is let pass, and is likely a mistake."""

    def __init__(self, warning: TagWarning) -> None:
        super().__init__(warning.message)
        self.key = warning.key
        """The tag."""
        self.code = warning.code
        """For programs."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn every refusal into a :class:`RequestRefused`; other errors pass as they are."""
    try:
        yield
    except RequestRefused:
        raise
    except MlflowException as error:
        if (code := _REFUSALS.get(error.error_code)) is None:
            raise
        raise RequestRefused(error.message, code) from error
