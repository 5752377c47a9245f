"""A registered model as MLflow's tables have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, bindparam, select

from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    registered_model_aliases,
    registered_model_tags,
    registered_models,
)


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model with its own tags and aliases, without its versions."""

    row: RowMapping
    tags: Sequence[tuple[str, str]]
    aliases: Sequence[tuple[str, int]]


def read_model(connection: Connection, model: ModelId) -> RegisteredModel | None:
    """A registered model, its tags and aliases in the order of their keys; None without one."""
    given = {"workspace": model.workspace, "name": model.name}
    rows = connection.execute(_WITH_TAGS, given).mappings().all()
    if not rows:
        return None
    tags = [(row["key"], row["value"] or "") for row in rows if row["key"] is not None]
    aliases = [(alias, version) for alias, version in connection.execute(_ALIASES, given)]
    return RegisteredModel(rows[0], tags, aliases)


_models, _tags, _aliases = registered_models, registered_model_tags, registered_model_aliases
# Built once, because building them takes longer than their answers.
_WITH_TAGS = (
    select(_models, _tags.c.key, _tags.c.value)
    .select_from(
        _models.outerjoin(
            _tags, (_tags.c.workspace == _models.c.workspace) & (_tags.c.name == _models.c.name)
        )
    )
    .where(_models.c.workspace == bindparam("workspace"), _models.c.name == bindparam("name"))
    .order_by(_tags.c.key)
)
_ALIASES = (
    select(_aliases.c.alias, _aliases.c.version)
    .where(_aliases.c.workspace == bindparam("workspace"), _aliases.c.name == bindparam("name"))
    .order_by(_aliases.c.alias)
)
