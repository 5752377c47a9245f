"""The MLflow server with our routes; the entry points ``mlflow.app``.

The entry points name ``app`` and ``basic_auth_app``, which are made when a server asks for them.
MLflow takes functions too, but spells their call in a way that waitress refuses
(``_run_server``, MLflow 3.17). It also looks at the object before it starts the workers, so that a
server that would not enforce the rules ends there, with one error.
"""

from __future__ import annotations

import logging
import math
from functools import cache
from typing import Any

from hokusai_mlflow_plugin.importing import nothing_collected

with nothing_collected():  # in a worker of the web server nothing imports MLflow before this
    from flask import Flask
    from mlflow.exceptions import MlflowException

    from hokusai_mlflow_plugin.basic_auth import BasicAuthAccess, authenticated_app
    from hokusai_mlflow_plugin.domain.errors import SettingsError
    from hokusai_mlflow_plugin.services.rewards import delivery_backlog
    from hokusai_mlflow_plugin.store import evidence, registry_log
    from hokusai_mlflow_plugin.store.mlflow_compat import errors, server
    from hokusai_mlflow_plugin.store.registry_store import TokenAwareRegistry
    from hokusai_mlflow_plugin.web import logs, metrics
    from hokusai_mlflow_plugin.web.access import Access
    from hokusai_mlflow_plugin.web.api.blueprint import create_blueprint
    from hokusai_mlflow_plugin.web.asgi import guard
    from hokusai_mlflow_plugin.web.connections import answer_at_once
    from hokusai_mlflow_plugin.web.pages.blueprint import create_pages
    from hokusai_mlflow_plugin.web.pages.ui_link import add_to_ui
    from hokusai_mlflow_plugin.web.server import API_NAME, PAGES_ROOT, Server, is_ours, rules

__all__ = ["Access", "create_app", "create_basic_auth_app", "register", "rules"]

_logger = logging.getLogger("hokusai.web")


def __getattr__(name: str) -> Any:
    factories = {"app": create_app, "basic_auth_app": create_basic_auth_app}
    if name in factories:
        return factories[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def create_app() -> Any:
    """The server's app for ``mlflow server --app-name hokusai``.

    Returns:
        An ASGI app under uvicorn, else MLflow's Flask app.

    Raises:
        SettingsError: The server's registry store would not enforce the token rules.
    """
    app = server.server_app()
    register(app)
    return _served(server.servable(app))


@cache
def create_basic_auth_app() -> Any:
    """The server's app for ``mlflow server --app-name hokusai-basic-auth``.

    Returns:
        An ASGI app under uvicorn, else MLflow's Flask app.

    Raises:
        SettingsError: The server's registry store would not enforce the token rules.
        MlflowException: The basic-auth configuration cannot be used.
    """
    app = server.server_app()
    register(app, BasicAuthAccess())
    return _served(authenticated_app(app))


def register(app: Flask, access: Access | None = None) -> None:
    """Add our routes to MLflow's Flask app; the same call again changes nothing.

    For ``mlflow.app`` plugins that bring their own authentication.

    Args:
        app: MLflow's Flask app, ``mlflow.server.app``.
        access: What the sender of a request may do; by default everything.

    Raises:
        SettingsError: The server's registry store would not enforce the token rules, or the routes
            are there already under another access.
    """
    server.leave_connections_behind()
    registry = _registry()
    known = app.extensions.setdefault(API_NAME, access or Access())
    if access is not None and type(known) is not type(access):
        raise SettingsError(
            "The routes are registered already, with another access. Call register(app, access) "
            "once, before anything else registers them."
        )
    evidence.ask_before_use(known.can_read_experiment)
    # MLflow's Flask app is one object for the process, and a route that is added twice an error.
    if API_NAME not in app.blueprints:
        pages = server.page_path(PAGES_ROOT)
        ours = Server(
            _ask,
            _change,
            errors.translate,
            _prefixes(),
            known,
            pages,
            server.workspace_names,
            server.enter_workspace,
        )
        app.register_blueprint(create_blueprint(ours))
        app.register_blueprint(create_pages(ours))
        if registry.settings.ui_link:
            add_to_ui(app, server.page_path("/"), pages)
        logs.write_to_stderr()
        if metrics.is_exported():
            registry_log.observers.append(metrics.count_requests(app, is_ours, _outbox_age_s))


def _served(app: Any) -> Any:
    # MLflow looks at the app in the process that then starts the web server.
    answer_at_once()
    return guard(app, _guarded())


def _prefixes() -> tuple[str, str]:
    return server.api_prefixes("/hokusai/")


def _guarded() -> tuple[str, ...]:
    return (*_prefixes(), server.page_path(PAGES_ROOT))


def _ask(query: Any, **parameters: Any) -> dict[str, Any]:
    return _registry().ask(query, **parameters)


def _change(command: Any, **parameters: Any) -> dict[str, Any]:
    return _registry().change(command, **parameters)


def _outbox_age_s() -> float:
    try:
        return _registry().ask(delivery_backlog.age_s)
    except MlflowException:
        _logger.warning("The age of the outbox could not be read.", exc_info=True)
        return math.nan


def _registry() -> TokenAwareRegistry:
    """The live registry store; MLflow can end up on its stock one without a word."""
    store = server.server_registry_store()
    if isinstance(store, TokenAwareRegistry):
        return store
    raise SettingsError(
        "This server's model registry is not token-aware, so nothing would be enforced. Start it "
        "with '--registry-store-uri hokusai+DATABASE_URI', e.g. hokusai+sqlite:///mlflow.db, or "
        "with 'hokusai-mlflow server', which does that."
    )
