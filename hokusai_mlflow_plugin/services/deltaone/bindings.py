"""The token tags that a new version gets from its registered model and its run (R17)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone.evidence import Sought
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.domain.bindings import binding_of, bound_tags, counting, may_be_bound
from hokusai_mlflow_plugin.domain.lineage import logged_model_of
from hokusai_mlflow_plugin.services.deltaone.judge import Judge


def tags_of_binding(
    connection: Connection,
    judge: Judge,
    version: Version,
    version_tags: Mapping[str, str],
    model_tags: Mapping[str, str],
) -> dict[str, str]:
    """The tags that a version gets beside those that it brings; empty where it stays as it is.

    A version of a model that binds none costs no statement.

    Args:
        connection: The connection of the write's transaction.
        judge: Settings and evidence.
        version: The version, before it is written.
        version_tags: What it brings.
        model_tags: Those of its registered model.
    """
    binding = binding_of(model_tags)
    if binding is None or not may_be_bound(version_tags, version.source):
        return {}
    model_id = logged_model_of(version.source)
    if not version.run_id and model_id is None:
        return {}
    catalogue = judge.settings.catalogue
    names = catalogue.names_of(catalogue.canonical(binding.benchmark_metric))
    sought = Sought(version.id.workspace, version.run_id or None, model_id, names)
    logged = counting(judge.logged_values(connection, sought))
    return {} if logged is None else bound_tags(binding, logged, version_tags, logged.contributor)
