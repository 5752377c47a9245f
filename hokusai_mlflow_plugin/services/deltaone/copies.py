"""Whether a version repeats another one (R10)."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions, past_names
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.lineage import copied_from
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.values import stored_value


def copy_of(
    connection: Connection,
    catalogue: Catalogue,
    version: Version,
    tags: TokenTags,
    value: Decimal,
) -> str | None:
    """The tokenised version that a version repeats, where it is a copy by R10."""
    origin = copied_from(version.source)
    if origin is None:
        return None
    # A source keeps the name of its time, which the model may have lost since, and another have.
    named = (origin.name, version.creation_time_ms)
    name = past_names.name_today(connection, version.id.workspace, named)
    if name is None:
        return None
    key = VersionId(version.id.workspace, name, origin.version)
    found = live_versions.read_version(connection, key)
    if key == version.id or found is None or found.indexed is None:
        return None
    if found.creation_time_ms > version.creation_time_ms:
        return None  # another model, made since under the name of one that nobody saw going
    same = (
        found.indexed.token_id == tags.token_id
        and catalogue.canonical(found.indexed.benchmark_metric) == tags.benchmark_metric
        and stored_value(found.indexed.benchmark_value) == value
    )
    return f"{name} version {origin.version}" if same else None
