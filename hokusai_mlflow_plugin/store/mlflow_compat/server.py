"""MLflow's server: its app, its store, its paths, its guard of webhooks."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from sqlalchemy import Engine

from hokusai_mlflow_plugin.domain.errors import ReceiverUnresolved
from hokusai_mlflow_plugin.store.mlflow_compat.database import workspaces_enabled


def server_app() -> Flask:
    """MLflow's Flask app, one object for each process."""
    from mlflow.server import app

    return app


def server_registry_store() -> object:
    """The registry store that this server process answers from."""
    from mlflow.server.handlers import _get_model_registry_store

    return _get_model_registry_store()


_ENGINE_OWNERS = (
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.jobs.sqlalchemy_store",
)
"""Modules whose ``SqlAlchemyStore`` or ``SqlAlchemyJobStore`` keeps engines, by URI."""


@cache
def leave_connections_behind() -> None:
    """Have no forked process use a connection of its parent, of any of MLflow's stores.

    gunicorn's ``--preload`` makes the app before it forks. Two workers that speak on one connection
    read each other's answers.
    """
    os.register_at_fork(after_in_child=_forget_connections)


def _forget_connections() -> None:
    for engine in _engines():
        engine.dispose(close=False)  # the parent still owns the connections


def _engines() -> Iterator[Engine]:
    for name in _ENGINE_OWNERS:
        for each in vars(sys.modules.get(name, object)).copy().values():
            if isinstance(each, type) and isinstance(vars(each).get("_engine_map"), dict):
                yield from tuple(vars(each)["_engine_map"].values())
    for name, holder in (
        ("mlflow.server.auth", "store"),
        ("mlflow.server.workspace_helpers", "_workspace_store"),
    ):
        store = getattr(sys.modules.get(name), holder, None)
        engine = getattr(store, "engine", None)
        if isinstance(engine, Engine):
            yield engine


def api_prefixes(base_path: str) -> tuple[str, str]:
    """Where the server's REST API has a base path: for clients, and for its own web pages.

    Both carry ``--static-prefix`` from MLflow 3.12 on; before, only the second.
    """
    from mlflow.server.handlers import _get_ajax_path, _get_rest_path

    return str(_get_rest_path(base_path)), str(_get_ajax_path(base_path))


def page_path(path: str) -> str:
    """Where a path for browsers is on this server: behind ``--static-prefix``, if it has one."""
    from mlflow.server.handlers import _add_static_prefix

    return str(_add_static_prefix(path))


def workspace_names() -> list[str]:
    """The server's workspaces, in order; none where it runs without them."""
    if not workspaces_enabled():
        return []
    from mlflow.server.workspace_helpers import _get_workspace_store

    return sorted(workspace.name for workspace in _get_workspace_store().list_workspaces())


def enter_workspace(name: str) -> None:
    """Have the current request be about a workspace, as MLflow's header for it does."""
    from mlflow.utils.workspace_context import set_server_request_workspace

    set_server_request_workspace(name)


def servable(app: Flask) -> Any:
    """The app as the web server wants it: uvicorn speaks ASGI, the others WSGI."""
    if os.environ.get("_MLFLOW_SGI_NAME") != "uvicorn":
        return app
    from mlflow.server.fastapi_app import create_fastapi_app

    return create_fastapi_app(app)


def webhook_session(
    url: str, *, allow_private: bool, ca_file: str | None = None, proxy: str | None = None
) -> requests.Session:
    """A session for posting to a webhook, under MLflow's guard against server-side forgery.

    Args:
        url: Where it will post.
        allow_private: Whether the address may be private; then the guard is left out.
        ca_file: The authorities that the receiver's certificate is checked against, instead of the
            public ones.
        proxy: The HTTP proxy to go through. It looks the receiver's name up and connects, perhaps
            in a network where this machine resolves nothing: which addresses it reaches is its own
            business, but for an address that the URL itself spells out.

    Raises:
        MlflowException: The guard refuses the address.
        ReceiverUnresolved: The name has no address, perhaps not yet.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy and no credentials from the environment
    session.verify = ca_file or True
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    host = urlsplit(url).hostname or ""
    if allow_private or (proxy and not _is_address(host)):
        return session
    _require_name(host)
    from mlflow.utils.validation import _validate_webhook_url

    # It takes https only; whether http will do is the settings' business.
    _validate_webhook_url("https://" + url.partition("://")[2])
    if proxy:  # the guard below would look at the address of the proxy
        return session
    try:
        # Checks the address that each connection really has (MLflow 3.10 has no such adapter).
        from mlflow.webhooks.ssrf import SSRFProtectedHTTPAdapter
    except ImportError:
        return session
    for scheme in ("http://", "https://"):
        session.mount(scheme, SSRFProtectedHTTPAdapter())
    return session


def _is_address(host: str) -> bool:
    """Whether a URL's host is an address, or the name that every machine gives itself."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _require_name(host: str) -> None:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        raise ReceiverUnresolved from None
