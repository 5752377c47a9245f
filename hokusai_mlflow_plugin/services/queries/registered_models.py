"""Registered models in the JSON of MLflow's own registry API."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index.registered_models import read_model
from hokusai_mlflow_plugin.db.keys import ModelId
from hokusai_mlflow_plugin.services.visibility import Visible

Json = dict[str, Any]


def registered_model(connection: Connection, model: ModelId, visible: Visible) -> Json | None:
    """A registered model without its versions; None where the asker may read none of this name."""
    found = read_model(connection, model)
    # By the name that is stored: MySQL finds it in any case.
    if found is None or found.row["name"] not in visible:
        return None
    fields = {
        "name": found.row["name"],
        "creation_timestamp": found.row["creation_time"],
        "last_updated_timestamp": found.row["last_updated_time"],
        "description": found.row["description"],
        "tags": [{"key": key, "value": value} for key, value in found.tags] or None,
        "aliases": [{"alias": each, "version": str(of)} for each, of in found.aliases] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}
