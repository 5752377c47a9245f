"""Pages: how large they are, and tokens that say where one ended and to which query it belongs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from hokusai_mlflow_plugin.domain.errors import InvalidRequest

DEFAULT_MAX_RESULTS = 100
MAX_RESULTS = 1000

_MAX_LENGTH = 4096


def encode(question: Sequence[str], position: Sequence[int | str]) -> str:
    """An opaque token for the page after ``position`` of the answer to ``question``."""
    text = json.dumps([list(question), list(position)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode(
    token: str | None, question: Sequence[str], types: tuple[type, ...]
) -> list[int | str] | None:
    """The position in a page token, or None where there is no token.

    Args:
        token: The token as a client sent it.
        question: What the page must belong to.
        types: The type of each part of the position.

    Raises:
        InvalidRequest: The token was not made by this registry for this question.
    """
    if not token:
        return None
    try:
        if len(token) > _MAX_LENGTH:
            raise ValueError("too long")
        asked, position = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if asked != list(question) or [type(part) for part in position] != list(types):
            raise ValueError("made for another question")
        if not all(_storable(part) for part in position):
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


def _storable(part: int | str) -> bool:
    """Whether every database takes the value: a forged token may hold anything."""
    if isinstance(part, int):
        return 0 <= part < 2**63
    return "\0" not in part and not any("\ud800" <= character <= "\udfff" for character in part)
