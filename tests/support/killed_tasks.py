"""What is killed in the middle: a registration, a tag, an amendment."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Engine

from hokusai_mlflow_plugin.store.registry_store import build_store
from support.killed import Die, Task
from support.registry import create_version, set_tag


def registry_writes(_die: Die, database_uri: str) -> tuple[Engine, Task]:
    """Writes to a registry: a version with tags, or one tag of a version."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    store: Any = build_store(f"hokusai+{database_uri}")

    def write(name: str, tags: dict[str, str], version: int | None = None) -> None:
        if version is None:
            create_version(store, name, tags)
        else:
            for key, value in tags.items():
                set_tag(store, name, version, key, value)

    return store.engine, write
