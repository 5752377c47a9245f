"""The SQL of policy findings: what the audit policy let pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, case, exists, or_, select

from hokusai_mlflow_plugin.db.keys import ModelId, VersionId, of_model, of_version
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    LIVE,
    model_version_tags,
    model_versions,
    registered_model_tags,
    same_version,
)
from hokusai_mlflow_plugin.db.schema.tables import policy_findings, token_index
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import upsert
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG

OF_MODEL = 0
"""Version number of a finding on the registered model itself."""


def put(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write a finding, in place of an older one on the same version."""
    upsert(connection, policy_findings, sealed(policy_findings, row))


def remove(connection: Connection, key: VersionId) -> None:
    """Forget the finding on a version, if there is one."""
    connection.execute(policy_findings.delete().where(*of_version(policy_findings, key)))


def rename_model(connection: Connection, model: ModelId, new_name: str) -> None:
    """Move the findings of a model to its new name; findings on an older model give way."""
    connection.execute(
        policy_findings.delete().where(
            *of_model(policy_findings, ModelId(model.workspace, new_name)),
            # MySQL finds a name in any case: a rename that changes only case keeps its rows.
            policy_findings.c.name != model.name,
        )
    )
    query = select(policy_findings).where(*of_model(policy_findings, model))
    moved = [
        sealed(policy_findings, {**row, "name": new_name})
        for row in connection.execute(query).mappings()
    ]
    if moved:
        # One by one, because each has a seal of its own.
        connection.execute(
            policy_findings.update()
            .where(
                *of_model(policy_findings, model),
                policy_findings.c.version == bindparam("of_version"),
            )
            .values(name=bindparam("new_name"), seal=bindparam("new_seal")),
            [
                {"of_version": row["version"], "new_name": row["name"], "new_seal": row["seal"]}
                for row in moved
            ],
        )


def read_findings(
    connection: Connection, workspace: str, after: tuple[str, int], limit: int
) -> Sequence[RowMapping]:
    """Findings that still hold, by name and version, after such a pair.

    One holds while its version lives, carries a token and is not tokenised; one on a model, while
    the model carries a token of its own.
    """
    name, version = policy_findings.c.name, policy_findings.c.version
    lives = exists().where(
        same_version(policy_findings, model_versions),
        policy_findings.c.creation_time == model_versions.c.creation_time,
        LIVE,
    )
    is_tokenised = exists().where(
        same_version(policy_findings, token_index),
        policy_findings.c.creation_time == token_index.c.creation_time,
    )
    has_token = _has_token(model_version_tags, model_version_tags.c.version)
    model_has_token = _has_token(registered_model_tags, None)
    query = (
        select(policy_findings)
        .where(
            policy_findings.c.workspace == workspace,
            # Bounded on its own as well: no database makes an index range of the OR.
            name >= after[0],
            or_(name > after[0], version > after[1]),
            case((version == OF_MODEL, model_has_token), else_=lives & ~is_tokenised & has_token),
        )
        .order_by(name, version)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def _has_token(tags: Any, version: Any) -> Any:
    same = [
        tags.c.workspace == policy_findings.c.workspace,
        tags.c.name == policy_findings.c.name,
        tags.c.key == TOKEN_ID_TAG,
    ]
    if version is not None:
        same.append(version == policy_findings.c.version)
    return exists().where(*same)
