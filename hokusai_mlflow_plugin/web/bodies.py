"""Reading a JSON body that a stranger sent.

It is read only after its size is known and small, and taken as JSON only where nothing in it can
be understood in two ways.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import Request

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import shown

MAX_BODY_BYTES = 1024 * 1024

_CHUNK_BYTES = 64 * 1024
_MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES


class BodyTooLarge(InvalidRequest):
    """The body is larger than this registry reads (HTTP 413)."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The body has {length} bytes; at most {MAX_BODY_BYTES} are read.")


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        BodyTooLarge: It is larger than ``MAX_BODY_BYTES``.
        InvalidRequest: It is not one JSON object in UTF-8, or has a key twice.
    """
    _check_headers(request)
    try:
        # Decoded here: json.loads would take bytes in UTF-16 and UTF-32, too.
        text = request.get_data(cache=False).decode("utf-8")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidRequest:
        raise
    except RecursionError:
        raise InvalidRequest("The body nests too deep.") from None
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON in UTF-8: {_reason(error)}.") from None
    if not isinstance(found, dict):
        raise InvalidRequest("The body is JSON, but not an object. Send an object.")
    return found


def refuse_body(request: Request) -> None:
    """A route with parameters in the query takes no body: it would be ignored.

    Raises:
        InvalidRequest: The request has one.
    """
    if request.content_length or "Transfer-Encoding" in request.headers:
        raise InvalidRequest("This route takes its parameters in the query, not in a body.")


def _check_headers(request: Request) -> None:
    if request.mimetype != "application/json":
        raise InvalidRequest(
            f"Send JSON with 'Content-Type: application/json'; it is {shown(request.mimetype)}."
        )
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise InvalidRequest(
            f"Content-Encoding {shown(encoding)} is not supported: send plain JSON."
        )
    length = request.content_length
    if length is None or "Transfer-Encoding" in request.headers:
        raise InvalidRequest("State the body's length in a Content-Length header.")
    if length > MAX_BODY_BYTES:
        _discard(request)
        raise BodyTooLarge(length)


def _discard(request: Request) -> None:
    """Take a large body off the wire, piece by piece, up to a limit.

    A server that closes a connection with unread data resets it, and the client may not see the
    answer.
    """
    left = _MAX_DISCARDED_BYTES
    while left > 0 and (piece := request.stream.read(_CHUNK_BYTES)):
        left -= len(piece)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidRequest(f"The body has key {shown(key)} twice in one object.")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise InvalidRequest(f"The body has {name}, which is not JSON.")


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} cannot be read"
    return "a number has too many digits"
