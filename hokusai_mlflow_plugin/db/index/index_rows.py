"""Writing the token index, in the transaction of the write that changes it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId, of_model, of_version
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    model_versions,
)
from hokusai_mlflow_plugin.db.schema.tables import decisions, token_index
from hokusai_mlflow_plugin.domain.tags import TokenTags


def index_row(
    key: VersionId, creation_time_ms: int, tags: TokenTags, decision_id: str | None
) -> dict[str, Any]:
    """The row that the token index has to hold for a tokenised version."""
    return {
        "workspace": key.workspace,
        "name": key.name,
        "version": key.version,
        "token_id": tags.token_id,
        "benchmark_metric": tags.benchmark_metric,
        "benchmark_value": tags.benchmark_value,
        "contributor_address": tags.contributor_address,
        "creation_time": creation_time_ms,
        "decision_id": decision_id,
    }


def put(writes: JoinedWrites, version: Version, tags: TokenTags, decision_id: str | None) -> None:
    """Write the index row of a tokenised version."""
    row = index_row(version.id, version.creation_time_ms, tags, decision_id)
    writes.upsert(token_index, row)


def remove(connection: Connection, key: VersionId) -> bool:
    """Take a version out of the index; whether it was there."""
    found = connection.execute(token_index.delete().where(*of_version(token_index, key)))
    return found.rowcount > 0


def remove_model(connection: Connection, model: ModelId) -> None:
    """Take every version of a model out of the index."""
    connection.execute(token_index.delete().where(*of_model(token_index, model)))


def rename_model(connection: Connection, model: ModelId, new_name: str) -> bool:
    """Move the index rows and the decisions of a model's versions to its new name.

    To be called when MLflow's tables have the new name.

    Index rows that another program orphaned under the new name give way. Decisions on versions
    of an earlier model of the same name stay where they are.

    Returns:
        Whether the model has, or had, tokenised versions.
    """
    renamed = ModelId(model.workspace, new_name)
    connection.execute(
        token_index.delete().where(
            *of_model(token_index, renamed),
            # MySQL finds a name in any case: a rename that changes only case keeps its rows.
            token_index.c.name != model.name,
        )
    )
    # Looked up row by row: as EXISTS, PostgreSQL without fresh statistics makes a nested loop over
    # all of the model's versions of it, which takes three times as long as the rest of a rename.
    created = (
        # 0 stands for MLflow's NULL in our tables; compared with NULL nothing would be moved.
        select(func.coalesce(model_versions.c.creation_time, 0))
        .where(*of_model(model_versions, renamed), model_versions.c.version == decisions.c.version)
        .scalar_subquery()
    )
    is_of_version = decisions.c.creation_time == created
    decided = connection.execute(
        decisions.update().where(*of_model(decisions, model), is_of_version).values(name=new_name)
    )
    indexed = connection.execute(
        token_index.update().where(*of_model(token_index, model)).values(name=new_name)
    )
    return decided.rowcount > 0 or indexed.rowcount > 0
