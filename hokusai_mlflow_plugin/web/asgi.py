"""A limit on request bodies, under uvicorn.

MLflow's bridge from ASGI to Flask reads every body whole into memory before Flask sees the request
(``_EfficientWSGIResponder``, MLflow 3.17). So the size is checked before it, for our paths only.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from flask import Flask

from hokusai_mlflow_plugin.web.bodies import MAX_BODY_BYTES, BodyTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_TOO_LARGE = 413
_LENGTH_REQUIRED = 411


def limit_bodies(app: Any, prefixes: Sequence[str]) -> Any:
    """An ASGI app with the limit around it; a Flask app as it is, for it reads bodies lazily."""
    if not isinstance(app, Flask):
        app.add_middleware(BodyLimit, prefixes=tuple(prefixes))
    return app


class BodyLimit:
    """ASGI middleware that answers before a large body, or one of unknown size, is read."""

    def __init__(self, app: AsgiApp, prefixes: tuple[str, ...]) -> None:
        self._app = app
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._prefixes):
            headers = dict(scope["headers"])
            # In chunks a body has no length that could be looked at first.
            if b"transfer-encoding" in headers:
                message = "State the body's length in a Content-Length header."
                await _refuse(send, _LENGTH_REQUIRED, message)
                return
            length = int(headers.get(b"content-length", b"0"))  # the server has checked it
            if length > MAX_BODY_BYTES:
                await _refuse(send, _TOO_LARGE, str(BodyTooLarge(length)))
                return
        await self._app(scope, receive, send)


async def _refuse(send: Send, status: int, message: str) -> None:
    body = {"error_code": "INVALID_PARAMETER_VALUE", "message": message}
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
