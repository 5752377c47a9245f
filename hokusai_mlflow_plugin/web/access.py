"""What the sender of a request may do, and what each route asks for.

The routes decide by themselves, so that they hold under any authentication: MLflow's basic-auth,
or that of another plugin, which passes an :class:`Access` of its own to ``register``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from flask import Response
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from hokusai_mlflow_plugin.services.visibility import EVERYTHING, MayRead, Visible


class Rule(Enum):
    """What a route asks of the sender; its value says so in the API's documentation."""

    LOGGED_IN = "Any authenticated user."
    READ_MODEL = "READ on the registered model that `name` names."
    READABLE = "Any authenticated user; the answer speaks only of models that the user may read."
    ADMIN = "Administrators only."
    SETTLER = "Administrators, and the users that `HOKUSAI_SETTLERS` names."


class Access:
    """What the sender of the current request may do.

    This one allows everything: it is that of a server without accounts. Subclass it for a server
    with its own authentication; each method is called inside the request, after the sender was
    authenticated.
    """

    def challenge(self) -> Response | None:
        """What to answer where nobody is authenticated; None where somebody is, or need not be.

        Asked where a request was refused before authentication had its turn: the answer to who is
        not authenticated is the same whatever else is wrong.
        """
        return None

    def is_admin(self) -> bool:
        """Whether the sender may see and do everything."""
        return True

    def may_settle(self) -> bool:
        """Whether the sender may say what became of reward events; administrators always may."""
        return True

    def reader(self) -> MayRead:
        """Tells for a registered model's name whether the sender may read its versions.

        What it needs is read when it is made: it is asked while a database connection is held,
        once for each model that an answer could speak of.
        """
        return lambda _name: True

    def can_read(self, name: str) -> bool:
        """Whether the sender may read this one registered model."""
        return self.reader()(name)

    def can_read_experiment(self, experiment_id: int) -> bool:
        """Whether the sender may read the runs and logged models of an experiment."""
        return True

    def workspaces(self, names: Collection[str]) -> Collection[str]:
        """Those of the server's workspaces that the sender may know of."""
        return names

    def withheld_fields(self) -> Collection[str]:
        """Fields of a model version that the sender may not see, such as ``run_id``."""
        return ()


def visible_to_sender(
    access: Access,
    rule: Rule,
    parameters: dict[str, Any],
    stored_name: Callable[[str], str] = str,
) -> Visible:
    """The models that the answer to the sender may speak of.

    Args:
        access: What the sender may do.
        rule: What the route asks for.
        parameters: Of the request.
        stored_name: Gives a model's name as it is stored. On MySQL other spellings find it, too,
            and MLflow's permissions know but the one that they were given to.

    Raises:
        MlflowException: The sender may not ask at all (``PERMISSION_DENIED``).
    """
    if access.is_admin():
        return EVERYTHING
    if rule is Rule.ADMIN:
        raise _denied("Only an administrator may do this.")
    if rule is Rule.SETTLER and not access.may_settle():
        raise _denied("Only an administrator or a user in HOKUSAI_SETTLERS may do this.")
    if rule is Rule.READ_MODEL and not access.can_read(stored_name(parameters["name"])):
        raise _denied("READ permission on this registered model is needed.")
    return Visible(access.reader(), access.can_read_experiment)


def withhold(answer: Any, fields: Collection[str]) -> Any:
    """An answer without these fields, wherever they are in it."""
    if not fields:
        return answer
    if isinstance(answer, dict):
        return {key: withhold(each, fields) for key, each in answer.items() if key not in fields}
    if isinstance(answer, list):
        return [withhold(each, fields) for each in answer]
    return answer


def _denied(message: str) -> MlflowException:
    return MlflowException(message, error_code=PERMISSION_DENIED)
