"""Reading what was decided; asking changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping

from hokusai_mlflow_plugin.db.deltaone import decision_log
from hokusai_mlflow_plugin.db.index import live_versions, token_pages
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.delta import Outcome, copied_model
from hokusai_mlflow_plugin.domain.errors import InvalidRequest, ModelNotFound
from hokusai_mlflow_plugin.domain.lineage import PREVIOUS_VERSION_TAG
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import RULED_TAGS, Context
from hokusai_mlflow_plugin.services.queries import pagination
from hokusai_mlflow_plugin.services.queries.pagination import (
    DEFAULT_MAX_RESULTS,
    MILLISECONDS,
    VERSION,
    require_in,
    require_max_results,
)
from hokusai_mlflow_plugin.services.queries.tag_warnings import find_warnings
from hokusai_mlflow_plugin.services.visibility import EVERYTHING, Visible

Json = dict[str, Any]

_WARNED_OF = RULED_TAGS | {PREVIOUS_VERSION_TAG}


def detect(
    connection: Connection,
    workspace: str,
    name: str,
    version: int | None = None,
    max_results: int = DEFAULT_MAX_RESULTS,
    page_token: str | None = None,
    visible: Visible = EVERYTHING,
    metrics: Catalogue = BUILT_IN,
) -> Json:
    """Whether a version achieved DeltaOne, by the decision that was recorded when it was written.

    Shape: ``name``, ``version`` (null where the model has no tokenised version), ``achieved``,
    ``decision`` (null for a version from before the plugin), ``history``: superseded decisions on
    the same version, newest first; ``next_page_token`` where there are more of those;
    ``warnings``, as ``tags/validate`` has them (R15).

    Args:
        connection: A connection to the registry's database.
        workspace: The asker's workspace.
        name: Name of the registered model.
        version: A version of it; by default the latest tokenised one.
        max_results: How many superseded decisions at most, 1 to 1000.
        page_token: Goes on with the history of the version that the page before was about.
        visible: The models that the asker may read.
        metrics: The metric catalogue, for the warnings.

    Raises:
        InvalidRequest: The version is not a live tokenised version of the model, or a parameter
            cannot be used.
        ModelNotFound: No registered model has this name.
    """
    require_max_results(max_results)
    if version is not None:
        require_in(VERSION, "version", version)
    model = ModelId(workspace, name)
    query = ("deltaone", name, "" if version is None else str(version))
    position = pagination.decode(page_token, query, (VERSION, MILLISECONDS, str))
    # A page token names its version: the latest one may be another by now.
    wanted = version if position is None else int(position[0])
    row = token_pages.decided_version(connection, model, wanted)
    stored = row["name"] if row else token_pages.stored_name(connection, model)
    if stored is None or stored not in visible:
        raise ModelNotFound(name)
    if row is None:
        if wanted is not None:
            raise InvalidRequest(f"Version {wanted} of this model is not a tokenised version.")
        nothing: Json = {"version": None, "achieved": False, "decision": None}
        return {"name": stored, **nothing, "history": [], "warnings": []}
    decision = decision_json(row, visible)
    before = None if position is None else (int(position[1]), str(position[2]))
    key = VersionId(workspace, row["name"], row["version"])
    page, is_last = _superseded(connection, workspace, row, before, max_results)
    answer: Json = {
        "name": row["name"],
        "version": str(row["version"]),
        "achieved": decision is not None and decision["outcome"] == Outcome.ACHIEVED.value,
        "decision": decision,
        "history": [decision_json(each, visible) for each in page],
        "warnings": find_warnings(
            connection,
            live_versions.read_tags(connection, key, _WARNED_OF),
            Context(catalogue=metrics),
            model,
            visible,
            before=key.version,
        ),
    }
    if not is_last:
        last = row["version"], page[-1]["decision_time"], page[-1]["decision_id"]
        answer["next_page_token"] = pagination.encode(query, last)
    return answer


def _superseded(
    connection: Connection,
    workspace: str,
    row: RowMapping,
    before: tuple[int, str] | None,
    count: int,
) -> tuple[Sequence[RowMapping], bool]:
    """A page of the decisions on a version but for that in force, and whether it is the last."""
    key = VersionId(workspace, row["name"], row["version"])
    # One more for the page after it, and one for the decision in force.
    found = decision_log.history(connection, key, row["creation_time"], before, count + 2)
    past = [each for each in found if each["decision_id"] != row["decision_id"]]
    return past[:count], len(past) <= count


def decision_json(row: RowMapping, visible: Visible) -> Json | None:
    """A decision as the API gives it, from a row with ``DECISION_COLUMNS``; None where none is.

    ``logged_value`` is there where what the version names logged the metric, and the asker may read
    that. A baseline in
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
    elif row["decision_outcome"] == Outcome.COPY.value and copied_model(reason) not in visible:
        reason = "It copies a version of a model that you may not read."
    decision = {
        "outcome": row["decision_outcome"],
        "direction": row["decision_direction"],
        "value": row["decision_value"],
        "baseline": baseline,
        "improvement_pp": row["decision_improvement_pp"],
        "threshold_pp": row["decision_threshold_pp"],
        "unit": row["decision_unit"],
        "reason": reason,
        "evidence": row["decision_evidence"],
        "decided_timestamp": row["decision_time"],
        "actor": row["decision_actor"],
    }
    if row["decision_logged_value"] is not None and visible.may_read_experiment(
        row["decision_experiment_id"]
    ):
        decision["logged_value"] = row["decision_logged_value"]
    return decision
