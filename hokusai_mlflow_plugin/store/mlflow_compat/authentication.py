"""MLflow's basic-auth, and who a request is from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib.util import find_spec
from typing import Any

from flask import Response, g, has_request_context, request
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import get_request_workspace

from hokusai_mlflow_plugin.domain.errors import (
    SettingsError,
)
from hokusai_mlflow_plugin.store.mlflow_compat.database import DEFAULT_WORKSPACE, workspaces_enabled

AUTH_ADMIN_BOOTSTRAPPED = "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"
"""Environment variable: workers need not create the administrator any more (MLflow 3.16)."""

AUTH_GATEWAY_TOKEN = "_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN"
"""Environment variable: the password of this server's own jobs at its AI gateway (MLflow 3.11)."""


def auth_module() -> Any:
    """MLflow's basic-auth; importing it reads its configuration.

    Raises:
        SettingsError: The extra ``auth`` is not installed.
    """
    if find_spec("flask_wtf") is None:
        raise SettingsError(
            "MLflow's basic-auth is not installed: run "
            "'pip install \"hokusai-mlflow-plugin[auth]\"'."
        )
    from mlflow.server import auth

    return auth


def authenticated_user() -> str | None:
    """The user whom MLflow's basic-auth let in with this request; None without it.

    As the user is stored, not as he typed his name: MySQL finds one user under many spellings, and
    who decides on a reward is compared with who earned it (R20).

    A plugin with its own authentication names its user as MLflow does, in
    ``flask.g.mlflow_authenticated_user``.
    """
    if not has_request_context():
        return None
    told = g.get("mlflow_authenticated_user")  # set by MLflow 3.14 and later
    auth = sys.modules.get("mlflow.server.auth")
    if auth is None or not auth.is_auth_enabled():
        return str(told) if told else None
    if auth.auth_config.authorization_function == auth.DEFAULT_AUTHORIZATION_FUNCTION:
        # The password was checked before; the check is slow.
        typed = told or (request.authorization and request.authorization.username)
        return _as_stored(auth, str(typed)) if typed else None
    if told or request.authorization is None:
        return str(told) if told else None
    return str(auth.authenticate_request().username)


def _as_stored(auth: Any, typed: str) -> str:
    """The name of a user as the users' database has it; looked up once for each request."""
    if "hokusai_user" not in g:
        try:
            g.hokusai_user = str(auth.store.get_user(typed).username)
        except MlflowException:  # removed since the request was let in
            g.hokusai_user = typed
    return str(g.hokusai_user)


def challenge() -> Response | None:
    """What MLflow's basic-auth answers to the request; None where it lets the sender in."""
    found = auth_module().authenticate_request()
    return found if isinstance(found, Response) else None


def auth_reader(username: str) -> Callable[[str], bool]:
    """Whether a user sees the versions of a model in MLflow's own ``model-versions/search``.

    As ``filter_search_model_versions`` has it, in the request's workspace.
    """
    auth = auth_module()
    by_roles = getattr(auth, "_rm_or_prompt_version_read_predicate", None) or getattr(
        auth, "_rm_or_prompt_read_predicate", None
    )
    if by_roles is not None:  # MLflow 3.13 and later
        can_read = by_roles(username)
        return lambda name: bool(can_read(RegisteredModel(name)))
    permissions = auth.store.list_registered_model_permissions(username)
    explicit = {p.name: auth.get_permission(p.permission).can_read for p in permissions}
    inherited = auth.get_permission(auth.auth_config.default_permission)
    if workspaces_enabled():
        inherited = auth._workspace_permission(username, get_request_workspace())
    return lambda name: bool(explicit.get(name, inherited.can_read))


def auth_can_read(username: str, name: str) -> bool:
    """Whether a user has READ on one model, whatever lists may show of it.

    Since MLflow 3.13 a grant on the workspace can show models in lists that it does not open.
    """
    auth = auth_module()
    if not auth_reader(username)(name):
        return False
    by_roles = hasattr(auth, "_rm_or_prompt_read_predicate")
    return not by_roles or bool(auth._graphql_can_read_model(name, username))


def auth_can_read_runs(username: str, experiment_id: int) -> bool:
    """Whether a user may read the runs and logged models of an experiment."""
    auth = auth_module()
    if auth.store.get_user(username).is_admin:
        return True
    if "run_id" in (auth_withheld_fields(username) or ()):
        return False
    return bool(auth._graphql_can_read_experiment(str(experiment_id), username))


def auth_workspaces(username: str, names: Collection[str]) -> list[str]:
    """Those of the workspaces that a user sees, as ``filter_list_workspaces`` has it."""
    auth = auth_module()
    if auth.store.get_user(username).is_admin:
        return list(names)
    allowed = set(auth.store.list_accessible_workspace_names(username))
    if auth.auth_config.grant_default_workspace_access:
        allowed.add(DEFAULT_WORKSPACE)
    return [name for name in names if name in allowed]


def auth_withheld_fields(username: str) -> frozenset[str] | None:
    """Fields of a version that a user may not see, because they tell of its run or logged model.

    As ``_withhold_denied_version_siblings`` has it (MLflow 3.17). None where MLflow does not look.
    """
    auth = auth_module()
    fields_by_type = getattr(auth, "_MODEL_VERSION_SIBLING_FIELDS", None)
    if fields_by_type is None:
        return None
    denied = auth._denied_sibling_tiers(username, tuple(fields_by_type))
    return frozenset(field for each in denied for field in fields_by_type[each])
