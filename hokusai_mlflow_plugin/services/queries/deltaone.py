"""Reading what was decided; asking changes nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.index import token_pages
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.errors import InvalidRequest, ModelNotFound
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]


def detect(
    connection: Connection,
    workspace: str,
    name: str,
    version: int | None = None,
    visible: Visible = EVERYTHING,
) -> Json:
    """Whether a version achieved DeltaOne, by the decision that was recorded when it was written.

    Shape: ``name``, ``version`` (null where the model has no tokenised version), ``achieved``,
    ``decision`` (null for a version from before the plugin), ``history``: superseded decisions on
    the same version, newest first.

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        name: Name of the registered model.
        version: A version of it; by default the latest tokenised one.
        visible: The models that the asker may read.

    Raises:
        InvalidRequest: The version is not a live tokenised version of the model.
        ModelNotFound: No registered model has this name.
    """
    model = ModelId(workspace, name)
    row = token_pages.decided_version(connection, model, version)
    # As it is stored: MySQL finds a name in any case, and what may be read is asked by the exact
    # one.
    stored = row["name"] if row else token_pages.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    if row is None:
        if version is not None:
            raise InvalidRequest(f"Version {version} of this model is not a tokenised version.")
        return {"name": stored, "version": None, "achieved": False, "decision": None, "history": []}
    decision = decision_json(row, visible)
    key = VersionId(workspace, row["name"], row["version"])
    past = decision_log.history(connection, key, row["creation_time"])
    return {
        "name": row["name"],
        "version": str(row["version"]),
        "achieved": decision is not None and decision["outcome"] == Outcome.ACHIEVED.value,
        "decision": decision,
        "history": [
            decision_json(each, visible)
            for each in past
            if each["decision_id"] != row["decision_id"]
        ],
    }


def decision_json(row: RowMapping, visible: Visible) -> Json | None:
    """A decision as the API gives it, from a row with ``DECISION_COLUMNS``; None where none is.

    ``logged_value`` is there where the run that the version names logged the metric. A baseline in
    a model that the asker may not read keeps its value, which the improvement tells anyway, and
    loses its name.
    """
    if row["decision_outcome"] is None:
        return None
    baseline, reason = None, row["decision_reason"]
    if row["baseline_value"] is not None:
        hidden = row["baseline_name"] not in visible
        baseline = {
            "name": None if hidden else row["baseline_name"],
            "version": None if hidden else str(row["baseline_version"]),
            "value": row["baseline_value"],
        }
        if hidden:
            reason = "It was compared with a version of a model that you may not read."
    decision = {
        "outcome": row["decision_outcome"],
        "direction": row["decision_direction"],
        "value": row["decision_value"],
        "baseline": baseline,
        "improvement_pp": row["decision_improvement_pp"],
        "reason": reason,
        "evidence": row["decision_evidence"],
        "decided_timestamp": row["decision_time"],
    }
    if row["decision_logged_value"] is not None:
        decision["logged_value"] = row["decision_logged_value"]
    return decision
