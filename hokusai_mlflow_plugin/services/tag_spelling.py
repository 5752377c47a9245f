"""Keys of tags that are written otherwise than the rules have them, and yet are the same tag.

Source: R4. MySQL compares keys without case, accents and trailing blanks: there such a tag takes a
ruled one's place, while every client, and Python, sees another. Elsewhere it is an ordinary tag.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tag_keys import resembled, respelt_key


def respelt(
    connection: Connection,
    of: ModelId | VersionId,
    written: Collection[str],
    ruled: frozenset[str],
) -> list[Violation]:
    """Each key that was just written and that the database takes for a ruled one.

    Asks the database only where a key resembles one.
    """
    alike = {key: found for key in written if (found := resembled(key, ruled))}
    if not alike:
        return []
    meant = {each for found in alike.values() for each in found}
    stored = live_versions.keys_found_as(connection, of, meant)
    return [respelt_key(key, alike[key]) for key in sorted(alike) if key in stored]
