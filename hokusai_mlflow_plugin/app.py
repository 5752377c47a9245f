"""The MLflow server with our routes; the entry points ``mlflow.app``."""

from __future__ import annotations

from typing import Any

from flask import Flask

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.store import mlflow_compat
from hokusai_mlflow_plugin.store.registry_store import TokenAwareRegistry
from hokusai_mlflow_plugin.web.blueprint import NAME, create_blueprint


def create_app() -> Any:
    """The server's app for ``mlflow server --app-name hokusai``.

    Returns:
        An ASGI app under uvicorn, else MLflow's Flask app.

    Raises:
        SettingsError: The server's registry store would not enforce the token rules.
    """
    app = mlflow_compat.server_app()
    register(app)
    return mlflow_compat.servable(app)


def register(app: Flask) -> None:
    """Add our routes to MLflow's Flask app; a second call changes nothing.

    For ``mlflow.app`` plugins that bring their own authentication.

    Raises:
        SettingsError: The server's registry store would not enforce the token rules.
    """
    _registry()
    if NAME not in app.blueprints:
        blueprint = create_blueprint(_ask, mlflow_compat.translate, mlflow_compat.static_prefix())
        app.register_blueprint(blueprint)


def _ask(question: Any, **parameters: Any) -> dict[str, Any]:
    return _registry().ask(question, **parameters)


def _registry() -> TokenAwareRegistry:
    """The live registry store; MLflow can end up on its stock one without a word."""
    store = mlflow_compat.server_registry_store()
    if isinstance(store, TokenAwareRegistry):
        return store
    raise SettingsError(
        "This server's model registry is not token-aware, so nothing would be enforced. Start it "
        "with '--registry-store-uri hokusai+DATABASE_URI', e.g. hokusai+sqlite:///mlflow.db, or "
        "with 'hokusai-mlflow server', which does that."
    )
