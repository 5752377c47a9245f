"""What callers may give: text where text is meant, and numbers as numbers are written.

Nothing is turned into text that is none: ``str(None)`` would be registered, and paid, as "None".
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Rational, Real
from typing import Any

from hokusai.errors import RequestRefused
from hokusai_mlflow_plugin.domain.contributors import CONTRIBUTOR_TAGS
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tag_faults import DIRECTION_TAG, REQUIRED_TAGS
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG

_TEXT_TAGS = frozenset((TOKEN_ID_TAG, BENCHMARK_METRIC_TAG, DIRECTION_TAG, *CONTRIBUTOR_TAGS))
"""Tags that a number cannot mean anything in."""
_CODE = "argument_invalid"
_MAX_BITS = 512
"""A whole number of more is no benchmark value, and long to write down."""


def text(name: str, value: object) -> str:
    """An argument that has to be text.

    Raises:
        RequestRefused: It is something else.
    """
    if isinstance(value, str):
        return str.__str__(value)  # of a StrEnum its value, not its name
    raise RequestRefused(_fault(name, value, "Give text"))


def optional_text(name: str, value: object) -> str | None:
    """The same, or None."""
    return None if value is None else text(name, value)


def version_number(value: object) -> str:
    """The number of a version, as text or as a number.

    Raises:
        RequestRefused: It is no whole number from 1 on.
    """
    written = value if isinstance(value, str) else None
    if isinstance(value, Integral):
        written = number_text(value)
    if written and written.isascii() and written.isdigit() and int(written[:20]) > 0:
        return written
    raise RequestRefused(_fault("version", value, "Give the number of a version, such as 2"))


def mapping(name: str, value: object) -> Mapping[Any, Any]:
    """An argument that has to be a dict.

    Raises:
        RequestRefused: It is something else.
    """
    if isinstance(value, Mapping):
        return value
    raise RequestRefused(_fault(name, value, "Give a dict"))


def iterable(name: str, value: object) -> Iterable[Any]:
    """An argument that has to be a list, or yields items one by one.

    Raises:
        RequestRefused: It is something else, text and a single dict included.
    """
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return value
    raise RequestRefused(_fault(name, value, "Give a list of dicts, one for each model"))


def number_text(value: object) -> str | None:
    """A number as a tag writes it, or None where it is none.

    A float is written by its ``repr``, as a run's metric is compared with it: the shortest decimal
    that reads back as the same float; NumPy's numbers like Python's. A Decimal keeps its digits.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Integral):
        whole = int(value)
        return str(whole) if whole.bit_length() <= _MAX_BITS else None
    if isinstance(value, Real) and not isinstance(value, Rational):
        return repr(float(value))
    return None


def tag_texts(
    tags: Mapping[Any, Any], names: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[Violation]]:
    """Tags as they are written, and a fault for each that cannot be.

    Text is text; numbers and truth values are written as MLflow writes them.

    Args:
        tags: What was given, by the keys of the tags.
        names: What those are called in messages that are no tags to the caller.
    """
    written: dict[str, str] = {}
    faults: list[Violation] = []
    for key, value in tags.items():
        if not isinstance(key, str):
            message = _fault("A key of the tags", key, "Give text")
            faults.append(Violation(reprlib.repr(key), _CODE, message))
        elif (found := _tag_text(key, value)) is None:
            subject = (names or {}).get(key, f"Tag {key}")
            faults.append(Violation(key, _CODE, _fault(subject, value, _remedy(key, value))))
        else:
            written[str.__str__(key)] = found
    return written, faults


def _tag_text(key: str, value: object) -> str | None:
    if isinstance(value, str):
        return str.__str__(value)
    if key in _TEXT_TAGS:
        return None
    if isinstance(value, bool):
        return None if key == BENCHMARK_VALUE_TAG else str(value)
    return number_text(value)


def _remedy(key: str, value: object) -> str:
    if key in CONTRIBUTOR_TAGS and isinstance(value, (list, dict)):
        return "Write it as JSON: json.dumps(...)"
    remedy = "Give text" if key in _TEXT_TAGS else "Give text or a number"
    return f"{remedy}, or leave it out" if value is None and key not in REQUIRED_TAGS else remedy


def _fault(subject: str, value: object, remedy: str) -> str:
    if value is None:
        return f"{subject} is None. {remedy}."
    try:
        shown = reprlib.repr(value)
    except ValueError:  # Python writes no whole number of thousands of digits
        shown = "too long a number"
    return f"{subject} is {shown}, of type {type(value).__name__}. {remedy}."
