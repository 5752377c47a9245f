"""Pages: how large they are, and tokens that say where one ended and to which query it belongs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from hokusai_mlflow_plugin.domain.errors import InvalidRequest

DEFAULT_MAX_RESULTS = 100
MAX_RESULTS = 1000

VERSION = range(2**31)
"""A version number, as its column holds it."""
MILLISECONDS = range(2**63)
"""A time, likewise."""
SEQUENCE = range(2**63)
"""The number of a reward event, likewise."""

Kind = range | type[str]
"""What a part of a position is: a text, or a number that its column can hold."""

_MAX_LENGTH = 4096


def encode(query: Sequence[str], position: Sequence[int | str]) -> str:
    """An opaque token for the page after ``position`` of the answer to ``query``."""
    text = json.dumps([list(query), list(position)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(
    token: str | None, query: Sequence[str], kinds: Sequence[Kind]
) -> list[int | str] | None:
    """The position in a page token, or None where there is no token.

    Args:
        token: The token as a client sent it.
        query: What the page must belong to.
        kinds: What each part of the position is.

    Raises:
        InvalidRequest: The token was not made by this registry for this query.
    """
    if not token:
        return None
    try:
        if len(token) > _MAX_LENGTH:
            raise ValueError("too long")
        asked, position = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if asked != list(query) or len(position) != len(kinds):
            raise ValueError("made for another query")
        if not all(map(_is_storable, position, kinds)):
            raise ValueError("out of range")
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise InvalidRequest(
            "Parameter page_token is not one that this registry gave out for these parameters. "
            "Leave it out to begin at the first page."
        ) from None
    return list(position)


def require_max_results(max_results: int) -> None:
    """Refuse a page size that is out of bounds.

    Raises:
        InvalidRequest: It is.
    """
    if not 1 <= max_results <= MAX_RESULTS:
        raise InvalidRequest(
            f"Parameter max_results is {max_results}; use a whole number from 1 to {MAX_RESULTS}."
        )


def require_in(kind: range, parameter: str, number: int) -> None:
    """Refuse a number that no column of its kind can hold.

    Raises:
        InvalidRequest: It is.
    """
    if number not in kind:
        raise InvalidRequest(
            f"Parameter {parameter} is {number}; use a whole number from 0 to {kind[-1]}."
        )


def _is_storable(part: object, kind: Kind) -> bool:
    """Whether a column of its kind takes the value: a forged token may hold anything."""
    if isinstance(kind, range):
        # PostgreSQL refuses a number that its column cannot hold, also in a comparison.
        return type(part) is int and part in kind
    if not isinstance(part, str):
        return False
    return "\0" not in part and not any("\ud800" <= character <= "\udfff" for character in part)
