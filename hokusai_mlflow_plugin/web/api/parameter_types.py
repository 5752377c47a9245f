"""Types of parameters: what a text has to be, and how the contract says it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from hokusai_mlflow_plugin.domain.tokens import MAX_LENGTH
from hokusai_mlflow_plugin.services.queries.pagination import MAX_RESULTS
from hokusai_mlflow_plugin.services.rewards.corrections import MAX_REASON
from hokusai_mlflow_plugin.services.tokens.declaring import MAX_METRICS, MAX_PUBLISHERS

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def _whole(given: Any) -> Any:
    """A query parameter's digits as a number; pydantic alone takes ``1_0`` and `` 5 ``, too."""
    if isinstance(given, str):
        if _WHOLE.fullmatch(given) is None:
            raise ValueError("use a whole number in decimal digits")
        return int(given)
    return given


def _flag(given: Any) -> Any:
    """A query parameter's ``true`` or ``false``; pydantic alone takes ``on``, ``Y`` and ``1``."""
    flags: dict[Any, bool] = {"true": True, "false": False}
    if isinstance(given, str):
        if given not in flags:
            raise ValueError("use true or false")
        return flags[given]
    return given


def _storable(text: str) -> str:
    """Text that every database can hold: no NUL (PostgreSQL), and nothing that is not Unicode."""
    if "\0" in text:
        raise ValueError("a NUL character cannot be stored")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half a surrogate pair cannot be stored")
    return text


def _no_longer_than(length: int) -> Callable[[str], str]:
    """Text of so many characters at most: what is longer names nothing, and is not looked up."""

    def check(text: str) -> str:
        if len(text) > length:
            raise ValueError(f"use at most {length} characters")
        return text

    return check


DIGITS = BeforeValidator(_whole)
TRUE_OR_FALSE = BeforeValidator(_flag)
Text = Annotated[
    str,
    # For the API's description; what checks it has the better message.
    Field(strict=True, json_schema_extra={"pattern": r"^[^\u0000]*$"}),
    AfterValidator(_storable),
]
TokenId = Annotated[
    Text,
    Field(
        description="A token id, e.g. IMG-001.",
        # For the API's description; the rule and its message are in domain.tokens.
        json_schema_extra={
            "pattern": "^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$",
            "maxLength": MAX_LENGTH,
            "examples": ["IMG-001"],
        },
    ),
]
ModelName = Annotated[
    Text,
    Field(
        description="Name of a registered model.",
        json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000]+$"},
    ),
]
MaxResults = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_RESULTS, description="How many items at most."),
    DIGITS,
]
# Bounded here, too: each item that is at fault would be a fault of its own.
Metrics = Annotated[
    list[Text],
    Field(
        strict=True,
        min_length=1,
        max_length=MAX_METRICS,
        description="Names of the metrics that it pays for.",
    ),
]
Publishers = Annotated[
    list[Text], Field(strict=True, max_length=MAX_PUBLISHERS, description="Names of users.")
]
EventId = Annotated[
    Text,
    Field(
        description="Id of a reward event.",
        json_schema_extra={"maxLength": 36, "examples": ["123dc0d1-e38d-5ef1-84c0-b3b53dec3bef"]},
    ),
    AfterValidator(_no_longer_than(36)),
]
Reason = Annotated[
    Text,
    Field(
        description="Why, in a sentence; it is kept, and is in the event that the receiver gets.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_REASON, "pattern": r"[^\s\u0000]"},
    ),
]
