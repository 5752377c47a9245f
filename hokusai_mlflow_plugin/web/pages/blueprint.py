"""The Flask blueprint of the pages and of the files that they need."""

from __future__ import annotations

from collections.abc import Collection

from flask import Blueprint, Response, request
from mlflow.exceptions import MlflowException
from werkzeug.exceptions import HTTPException

from hokusai_mlflow_plugin.domain.errors import HokusaiError, InvalidRequest
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.visibility import stored_name
from hokusai_mlflow_plugin.web.access import Rule, visible_to_sender, withhold
from hokusai_mlflow_plugin.web.api import errors
from hokusai_mlflow_plugin.web.api.requests import parse
from hokusai_mlflow_plugin.web.pages.assets import Asset, all_assets
from hokusai_mlflow_plugin.web.pages.links import Links
from hokusai_mlflow_plugin.web.pages.pages import PAGES, Page
from hokusai_mlflow_plugin.web.pages.rendering import render
from hokusai_mlflow_plugin.web.server import (
    PAGES_NAME,
    Ruled,
    Server,
    View,
    note_arrival,
    private,
    refusal_in_our_order,
)

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy: what a page may load and do. Nothing inline, nothing from elsewhere."""
_UNCHANGING = "private, max-age=31536000, immutable"
_NO_PAGE = "There is no such page here."


class _Site:
    """The pages of one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._assets = {asset.name: server.pages + asset.path for asset in all_assets()}

    def view(self, page: Page) -> View:
        """Answers with a page."""
        server = self._server

        def stored(name: str) -> str:
            return str(server.ask(stored_name, name=name))

        def view() -> Response:
            given = parse(request, page.parameters).model_dump()
            links, spaces = self._enter(given["workspace"])
            parameters = {key: given[key] for key in given.keys() - page.of_view}
            visible = visible_to_sender(server.access, page.rule, parameters, stored)
            if page.is_filtered:
                parameters["visible"] = visible
            answer = server.ask(page.query, **parameters)
            # As for the routes: an administrator sees every run.
            if not visible.all:
                answer = withhold(answer, server.access.withheld_fields())
            found = page.view(answer, given, links)
            told = {
                "parameters": given,
                "here": page.path,
                "is_admin": visible.all,
                "workspaces": spaces,
            }
            return self._page(page.template, 200, links, **told, **found)

        return view

    def asset(self, asset: Asset) -> View:
        """Answers with a file."""

        def view() -> Response:
            visible_to_sender(self._server.access, Rule.LOGGED_IN, {})
            headers = {"Cache-Control": _UNCHANGING}
            return Response(asset.content, headers=headers, content_type=asset.type)

        return view

    def error(self, error: MlflowException, cause: HokusaiError | None = None) -> Response:
        """What the routes would answer, as a page."""
        return self._told(errors.response(error, cause))

    def own_error(self, error: HokusaiError) -> Response:
        return self.error(self._server.translate(error), error)

    def http_error(self, error: HTTPException) -> Response:
        return self._told(errors.http_response(error))

    def unexpected(self, error: Exception) -> Response:
        return self._told(errors.unexpected_response(error))

    def unknown(self, path: str) -> Response:
        """404 for a path that is no page, 405 for a page's path with another method."""
        if path in {page.path for page in PAGES}:
            refused = self._failure(405, "Pages are only read: they take GET.")
            refused.headers["Allow"] = "GET, HEAD, OPTIONS"
            return refused
        return self._failure(404, _NO_PAGE)

    def to_root(self) -> Response:
        visible_to_sender(self._server.access, Rule.LOGGED_IN, {})
        return Response(status=308, headers={"Location": self._server.pages})

    def refused(self, refusal: Response) -> Response:
        """What MLflow refused before the request came here, as a page."""
        told = refusal.get_json(silent=True)
        return refusal if told is None else self._told(errors.without_feature(refusal))

    def _told(self, answer: Response) -> Response:
        return self._failure(answer.status_code, str(answer.get_json()["message"]))

    def _failure(self, status: int, message: str) -> Response:
        told = {
            "status": status,
            "message": message,
            "here": None,
            "is_admin": False,
            "workspaces": (),
        }
        return self._page("error.html", status, self._links(), **told)

    def _page(self, template: str, code: int, links: Links, **context: object) -> Response:
        html = render(template, links=links, **context)
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
        return Response(html, code, headers, content_type="text/html; charset=utf-8")

    def _links(self, workspace: str | None = None) -> Links:
        return Links(self._server.pages, self._assets, workspace)

    def _enter(self, workspace: str | None) -> tuple[Links, Collection[str]]:
        """Enter the workspace that a page is asked for; which ones there are to choose from.

        Raises:
            InvalidRequest: There is none of that name, or none that the sender may know of.
        """
        known = self._server.workspaces()
        spaces = self._server.access.workspaces(known) if known else ()
        if not workspace:
            return self._links(), spaces
        if workspace not in spaces:
            raise InvalidRequest(f"There is no workspace {shown(workspace)} here.")
        self._server.enter_workspace(workspace)
        return self._links(workspace), spaces


def create_pages(server: Server) -> Blueprint:
    """All pages and assets under the server's root, and a page for every other path there."""
    blueprint = Blueprint(PAGES_NAME, __name__)
    site, root = _Site(server), server.pages
    for page in PAGES:
        name = page.path or "tokens"
        _add(blueprint, root + page.path, name, Ruled(page.path, page.rule, site.view(page)))
    for asset in all_assets():
        name = asset.name.replace(".", "_")
        _add(blueprint, root + asset.path, name, Ruled("assets", Rule.LOGGED_IN, site.asset(asset)))
    _add(blueprint, root.rstrip("/"), "root", Ruled("", Rule.LOGGED_IN, site.to_root))
    _add_unknown(blueprint, root, site)
    blueprint.register_error_handler(HokusaiError, site.own_error)
    blueprint.register_error_handler(MlflowException, site.error)
    blueprint.register_error_handler(HTTPException, site.http_error)
    blueprint.register_error_handler(Exception, site.unexpected)
    blueprint.before_request(note_arrival)
    blueprint.after_request(private)
    blueprint.after_request(refusal_in_our_order(server.access, site.refused))
    return blueprint


def _add(blueprint: Blueprint, path: str, endpoint: str, view: Ruled) -> None:
    blueprint.add_url_rule(
        path, endpoint, view, methods=["GET", "OPTIONS"], provide_automatic_options=False
    )


def _add_unknown(blueprint: Blueprint, root: str, site: _Site) -> None:
    writes = ["POST", "PUT", "PATCH", "DELETE", "TRACE"]
    blueprint.add_url_rule(
        f"{root}<path:path>",
        "unknown",
        site.unknown,
        methods=["GET", "HEAD", "OPTIONS", *writes],
        provide_automatic_options=False,
    )
    at_root = Ruled("", Rule.LOGGED_IN, lambda: site.unknown(""))
    blueprint.add_url_rule(
        root, "unknown_root", at_root, methods=writes, provide_automatic_options=False
    )
