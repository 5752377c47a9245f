"""What routes and pages need of the server that they are mounted in, and have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, request
from mlflow.exceptions import MlflowException

from hokusai_mlflow_plugin.domain.errors import HokusaiError
from hokusai_mlflow_plugin.web.access import Access, Rule

API_NAME = "hokusai"
PAGES_NAME = "hokusai_pages"
"""Of the blueprints; the names of their endpoints begin so."""
PAGES_ROOT = "/hokusai/"
"""Where the pages are, behind ``--static-prefix``."""

_OURS = (f"{API_NAME}.", f"{PAGES_NAME}.")
_UNAUTHORIZED = 401

Ask = Callable[..., Any]
"""Puts a query to the registry: ``ask(query, **parameters)``."""
Translate = Callable[[HokusaiError], MlflowException]
View = Callable[[], Response]


def _stay(_workspace: str) -> None:
    """A server without workspaces has none to enter."""


@dataclass(frozen=True)
class Server:
    """What the routes need from the server that they are mounted in."""

    ask: Ask
    """Puts a query to the registry store, in the request's workspace."""
    change: Ask
    """Has the registry store run a command there."""
    translate: Translate
    """Turns our errors into MLflow's."""
    prefixes: Sequence[str]
    """The paths that the routes are served under, each with a slash at its end."""
    access: Access
    pages: str = PAGES_ROOT
    """The path that the pages are served under, likewise."""
    workspaces: Callable[[], Sequence[str]] = tuple
    """The server's workspaces; none where it runs without them."""
    enter_workspace: Callable[[str], None] = _stay
    """Has the current request be about a workspace."""


class Ruled:
    """A view with the path and the access rule of its route beside it."""

    def __init__(self, path: str, rule: Rule, view: View) -> None:
        self.path = path
        self.rule = rule
        self._view = view

    def __call__(self) -> Response:
        if request.method == "OPTIONS":
            return allowed()
        return self._view()


def rules(app: Flask) -> dict[tuple[str, str], Rule | None]:
    """The access rule of each path and method of ours; None where one has been forgotten.

    Paths that are answered with "no such route" alone are left out.
    """
    found: dict[tuple[str, str], Rule | None] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(_OURS) and not rule.arguments:
            view = app.view_functions[rule.endpoint]
            for method in sorted(rule.methods or ()):
                found[rule.rule, method] = getattr(view, "rule", None)
    return found


def is_ours(endpoint: str) -> bool:
    """Whether an endpoint is a route or a page of ours."""
    return endpoint.startswith(_OURS)


def methods_of(method: str) -> str:
    """The methods of a route, as the header ``Allow`` has them."""
    return "GET, HEAD, OPTIONS" if method == "GET" else f"{method}, OPTIONS"


def allowed() -> Response:
    """The answer to OPTIONS: the route's methods, for a browser that asks before it sends."""
    rule = request.url_rule
    methods = (rule.methods if rule else None) or set()
    return Response(
        status=204, headers={"Allow": methods_of("GET" if "GET" in methods else "POST")}
    )


def note_arrival() -> None:
    """Nobody has refused the request before it came to our routes."""
    g.hokusai_arrived = True


def refusal_in_our_order(
    access: Access, otherwise: Callable[[Response], Response]
) -> Callable[[Response], Response]:
    """What MLflow refused before it authenticated the sender, such as a wrong workspace.

    401 comes first; ``otherwise`` says what becomes of the refusal.
    """

    def answer(response: Response) -> Response:
        if g.get("hokusai_arrived") or response.status_code == _UNAUTHORIZED:
            return response
        return access.challenge() or otherwise(response)

    return answer


def private(response: Response) -> Response:
    """Answers are data of this user: no cache keeps them and no browser guesses their type."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
