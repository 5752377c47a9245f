"""Fills a registry through the plugin. Run by the oldest supported MLflow:

python tests/mlflow_versions/old_registry.py DATABASE_URI
"""

from __future__ import annotations

import sys

import mlflow
from support.registry import (
    METRIC,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_tag,
    token_tags,
)

from hokusai_mlflow_plugin.store.registry_store import build_store


def fill(database_uri: str) -> None:
    """Models of every kind: with a DeltaOne, renamed, deleted, pending, plain, with a token."""
    store = build_store(f"hokusai+{database_uri}")
    for value in ("0.85", "0.855", "0.87"):
        create_version(store, tags=token_tags(benchmark_value=value, contributor="alice"))
    create_version(store, "before")
    store.rename_registered_model("before", "Ünïcode 'renamed'")
    create_version(store, "deleted")
    store.delete_registered_model("deleted")
    create_version(store, "part", tags=token_tags(hokusai_token_id="SENT-001"))
    create_version(store, "part", tags=token_tags(hokusai_token_id="SENT-001"))
    store.delete_model_version("part", "2")
    create_version(store, "pending", tags={METRIC: "rmse", VALUE: "0.1"})
    create_version(store, "pending", tags={})
    set_tag(store, "pending", 2, TOKEN, "PRED-001")
    create_version(store, "plain", tags={"note": "x"})
    create_model(store, "owned", {TOKEN: "OWN-001"})
    create_version(store, "owned", tags=token_tags(hokusai_token_id="OWN-001"))


if __name__ == "__main__":
    fill(sys.argv[1])
    print(mlflow.__version__)
