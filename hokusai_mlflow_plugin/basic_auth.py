"""MLflow's basic-auth around our routes.

MLflow authenticates; what a user may read is asked of MLflow's own permissions, so that our routes
show nobody more than MLflow's do.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from typing import Any

from flask import Flask, Response

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.services.visibility import MayRead
from hokusai_mlflow_plugin.settings import read_settings
from hokusai_mlflow_plugin.store.mlflow_compat import authentication
from hokusai_mlflow_plugin.web.access import Access
from hokusai_mlflow_plugin.web.server import rules

_RUN_FIELD = "run_id"
_LOGGED_VALUE_FIELD = "logged_value"


class BasicAuthAccess(Access):
    """What MLflow's permissions allow the authenticated user."""

    def __init__(self) -> None:
        self._settlers = read_settings().settlers

    def challenge(self) -> Response | None:
        return authentication.challenge()

    def is_admin(self) -> bool:
        return bool(authentication.auth_module().store.get_user(_user()).is_admin)

    def may_settle(self) -> bool:
        return _user() in self._settlers

    def reader(self) -> MayRead:
        return authentication.auth_reader(_user())

    def can_read(self, name: str) -> bool:
        return authentication.auth_can_read(_user(), name)

    def can_read_experiment(self, experiment_id: int) -> bool:
        return authentication.auth_can_read_runs(_user(), experiment_id)

    def workspaces(self, names: Collection[str]) -> Collection[str]:
        return authentication.auth_workspaces(_user(), names)

    def withheld_fields(self) -> Collection[str]:
        fields = authentication.auth_withheld_fields(_user())
        if fields is None:
            return ()
        return fields | {_LOGGED_VALUE_FIELD} if _RUN_FIELD in fields else fields


def authenticated_app(app: Flask) -> Any:
    """MLflow's basic-auth app around an app that has our routes.

    Raises:
        SettingsError: A route has no rule.
    """
    admit(app)
    return authentication.auth_module().create_app(app)


def admit(app: Flask) -> None:
    """Let every authenticated user through to our routes; each then decides by its own rule.

    MLflow refuses every route without a validator to all but administrators
    (``MLFLOW_BASIC_AUTH_FAIL_CLOSED``).

    Raises:
        SettingsError: A route has no rule.
    """
    known = rules(app)
    forgotten = sorted(f"{method} {path}" for (path, method), rule in known.items() if not rule)
    if forgotten:
        raise SettingsError(f"Routes without an access rule: {', '.join(forgotten)}.")
    validators = authentication.auth_module().BEFORE_REQUEST_VALIDATORS
    validators.update(dict.fromkeys(known, _left_to_the_route))


def prepare_server() -> None:
    """What ``mlflow server`` does for its own basic-auth app by name, before there are workers.

    Creates the administrator, so that a missing password or secret key ends the command with one
    error, where workers would fail and be restarted without end; and gives all workers and job
    processes one password for the AI gateway. As ``mlflow.server._run_server`` does (MLflow 3.17);
    before 3.16 the workers create the administrator.

    Raises:
        MlflowException: The basic-auth configuration cannot be used.
    """
    auth = authentication.auth_module()
    os.environ.setdefault(authentication.AUTH_GATEWAY_TOKEN, secrets.token_hex(32))
    if hasattr(auth, "get_flask_server_secret_key"):
        auth.get_flask_server_secret_key()
    if hasattr(auth, "bootstrap_admin_user"):
        auth.bootstrap_admin_user()
        os.environ[authentication.AUTH_ADMIN_BOOTSTRAPPED] = "true"


def _left_to_the_route() -> bool:
    return True


def _user() -> str:
    user = authentication.authenticated_user()
    if user is None:  # MLflow lets nobody through who is not
        raise PermissionError("No user is authenticated.")
    return user
