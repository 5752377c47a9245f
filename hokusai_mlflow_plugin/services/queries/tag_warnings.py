"""Warnings of tags, with what only the database knows: whether a version is there.

Source: R15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.lineage import previous_number
from hokusai_mlflow_plugin.domain.tag_warnings import warnings_of
from hokusai_mlflow_plugin.domain.tags import Context
from hokusai_mlflow_plugin.services.visibility import Visible

Json = dict[str, Any]


def find_warnings(
    connection: Connection,
    tags: Mapping[str, str],
    context: Context,
    model: ModelId | None,
    visible: Visible,
    before: int | None = None,
) -> list[Json]:
    """The likely mistakes in tags: ``key``, ``code``, ``message`` of each.

    Args:
        connection: A connection to the registry's database.
        tags: All tags of the version.
        context: What they are judged by.
        model: The model of the version; None where that is not known.
        visible: The models that the asker may read; of another one every version is as one that is
            not there.
        before: The version's own number; None for one that is still to be registered.
    """
    number = previous_number(tags)
    is_there = None
    if model is not None and number is not None:
        is_there = (before is None or number < before) and _is_live(
            connection, VersionId(model.workspace, model.name, number), visible
        )
    found = warnings_of(tags, context, previous_is_there=is_there)
    return [{"key": each.key, "code": each.code, "message": each.message} for each in found]


def _is_live(connection: Connection, key: VersionId, visible: Visible) -> bool:
    version = live_versions.read_version(connection, key)
    return version is not None and version.id.name in visible
