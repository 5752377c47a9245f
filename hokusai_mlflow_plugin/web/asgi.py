"""What has to be seen to before MLflow's own app, under uvicorn: large bodies, and refusals.

MLflow's bridge from ASGI to Flask reads every body whole into memory before Flask sees the request
(``_EfficientWSGIResponder``, MLflow 3.17). So the size is checked before it, for our paths only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from flask import Flask
from starlette.routing import Mount

from hokusai_mlflow_plugin.web.bodies import MAX_BODY_BYTES, BodyTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_SLASHES = re.compile("/{2,}")
_WORKSPACE_HEADER = b"x-mlflow-workspace"
_OF_WORKSPACES = frozenset((400, 404, 500))
"""How MLflow refuses a workspace: malformed, unknown, or of a server that has none."""
_TOO_LARGE = 413
_LENGTH_REQUIRED = 411


def guard(app: Any, prefixes: Sequence[str]) -> Any:
    """An ASGI app with both guards around it; a Flask app as it is, for it needs neither."""
    if not isinstance(app, Flask):
        # MLflow mounts Flask behind routes of its own (create_fastapi_app, MLflow 3.17).
        flask_app = next(each.app for each in reversed(app.routes) if isinstance(each, Mount))
        app.add_middleware(OwnRefusals, prefixes=tuple(prefixes), flask_app=flask_app)
        # The last one added is the outermost: nothing may read a body before it.
        app.add_middleware(BodyLimit, prefixes=tuple(prefixes))
    return app


def routed_path(scope: Scope) -> str:
    """The path by which Flask will choose the route.

    MLflow's bridge takes the root path off (``starlette.middleware.wsgi``), and werkzeug takes
    doubled slashes for one. The server has decoded what was percent-encoded.
    """
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    return _SLASHES.sub("/", path)


def _is_ours(scope: Scope, prefixes: tuple[str, ...]) -> bool:
    return scope["type"] == "http" and f"{routed_path(scope)}/".startswith(prefixes)


class BodyLimit:
    """ASGI middleware that answers before a large body, or one of unknown size, is read."""

    def __init__(self, app: AsgiApp, prefixes: tuple[str, ...]) -> None:
        self._app = app
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_ours(scope, self._prefixes):
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


class OwnRefusals:
    """ASGI middleware that has Flask answer what MLflow refuses before Flask has seen it.

    MLflow looks at the header with the workspace before anybody is authenticated
    (``workspace_context_middleware``, MLflow 3.17). On our paths its refusal is put aside, and the
    request goes to Flask, where the blueprint sees to it that 401 comes first.
    """

    def __init__(self, app: AsgiApp, prefixes: tuple[str, ...], flask_app: AsgiApp) -> None:
        self._app = app
        self._prefixes = prefixes
        self._flask_app = flask_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = any(name == _WORKSPACE_HEADER for name, _value in scope.get("headers", ()))
        if not (named and _is_ours(scope, self._prefixes)):
            await self._app(scope, receive, send)
            return
        is_refused = False

        async def send_what_flask_answers(message: MutableMapping[str, Any]) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start":
                from_flask = (b"cache-control", b"no-store") in message.get("headers", ())
                is_refused = message["status"] in _OF_WORKSPACES and not from_flask
            if not is_refused:
                await send(message)

        await self._app(scope, receive, send_what_flask_answers)
        if is_refused:
            await self._flask_app(scope, receive, send)


async def _refuse(send: Send, status: int, message: str) -> None:
    body = {"error_code": "INVALID_PARAMETER_VALUE", "message": message}
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
