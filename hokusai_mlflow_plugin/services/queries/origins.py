"""Which version a copy was made of, whatever became of the name that its source gives.

Source: R12.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import lineage_pages, model_names, past_names
from hokusai_mlflow_plugin.db.index.lineage_pages import LiveVersion
from hokusai_mlflow_plugin.domain.lineage import VersionKey

Live = Mapping[VersionKey, LiveVersion]


@dataclass(frozen=True)
class Copy:
    """A version whose source names another."""

    key: VersionKey
    source: VersionKey
    """The version it was made of, by the name of that time."""
    created_ms: int


def origins_of(
    connection: Connection, workspace: str, copies: Collection[Copy], live: Live
) -> tuple[dict[VersionKey, VersionKey], Live]:
    """What each copy was made of, by today's names; a copy whose original is lost has none.

    Costs no statement while each original is live under the name that its source gives.

    Args:
        connection: To the registry.
        workspace: The workspace.
        copies: The copies.
        live: Those of their sources that are live; other versions may be among them.

    Returns:
        The originals, live or not, and ``live`` with those of them that are.
    """
    lost = [copy for copy in copies if not _still_names(live.get(copy.source), copy)]
    origins = {copy.key: copy.source for copy in copies}
    if not lost:
        return origins, live
    named = {copy: (copy.source.name, copy.created_ms) for copy in lost}
    today = past_names.names_today(connection, workspace, set(named.values()))
    found = {copy: name for copy in lost if (name := today[named[copy]]) is not None}
    spelt = model_names.stored_names(connection, workspace, set(found.values()))
    for copy in lost:
        origins.pop(copy.key)
    for copy, name in found.items():
        origins[copy.key] = VersionKey(spelt.get(name, name), copy.source.version)
    # Where no model gave a name up nothing comes here, and the page costs no statement more.
    unknown = {origins[copy.key] for copy in found} - {copy.source for copy in copies}
    return origins, {**live, **lineage_pages.live_versions(connection, workspace, unknown)}


def _still_names(version: LiveVersion | None, copy: Copy) -> bool:
    """Whether the name of a source is still that of the model it was copied from."""
    if version is None or version.created_ms > copy.created_ms:
        return False
    return version.given_up_ms is None or version.given_up_ms < copy.created_ms
