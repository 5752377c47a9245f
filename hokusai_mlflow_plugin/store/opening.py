"""The entry points of the ``hokusai+…`` database URIs.

MLflow loads every entry point before it opens any registry, on clients too
(``ModelRegistryStoreRegistry``, MLflow 3.17.2). So this module imports nothing: a client without a
database's libraries loads it, and is not told that it could not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hokusai_mlflow_plugin.store.registry_store import TokenAwareRegistry


def build_store(store_uri: str, tracking_uri: str | None = None) -> TokenAwareRegistry:
    """Build the store for a ``hokusai+…`` URI of a database.

    Raises:
        MlflowException: A setting or the database's schema cannot be used.
    """
    from hokusai_mlflow_plugin.store import registry_store  # noqa: PLC0415  # see above

    return registry_store.build_store(store_uri, tracking_uri)
