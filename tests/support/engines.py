"""The stores and connections that MLflow keeps."""

from __future__ import annotations

import sqlite3
from typing import Any

from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry
from mlflow.tracking._tracking_service.registry import TrackingStoreRegistry
from sqlalchemy import Engine, event


def dispose_engines() -> None:
    """Close every connection of MLflow's stores in this process, and forget the stores.

    MLflow keeps stores and engines by their URI for as long as the process lives. The engines stay:
    the next test on a database of the same name finds its statements compiled, which takes longer
    than to execute them.
    """
    ModelRegistryStoreRegistry._get_store_with_resolved_uri.cache_clear()
    TrackingStoreRegistry._get_store_with_resolved_uri.cache_clear()
    for store_class in (RegistryStore, TrackingStore):
        for engine in store_class._engine_map.values():
            engine.dispose()


def forget_engines() -> None:
    """The same, and the engines go too: the next ones are made with the settings of that moment."""
    dispose_engines()
    for store_class in (RegistryStore, TrackingStore):
        store_class._engine_map.clear()


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    """No test cuts the power, so SQLite need not see every commit onto the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
