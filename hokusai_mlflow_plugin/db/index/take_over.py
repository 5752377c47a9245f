"""Whether the plugin has taken a registry over that is older than it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.tables import state
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import upsert

_BACKFILL = "backfill"
_CATALOGUE = "catalogue"

_PENDING, _DONE = "pending", "done"


def is_pending(connection: Connection) -> bool:
    """Whether older data has not been taken over yet, or not to its end."""
    return connection.scalar(select(state.c.value).where(state.c.key == _BACKFILL)) == _PENDING


def is_recorded(connection: Connection) -> bool:
    """Whether it is on record that older data is taken over, or still to be."""
    found = connection.scalar(select(state.c.value).where(state.c.key == _BACKFILL))
    return found in (_PENDING, _DONE)


def catalogue(connection: Connection) -> str | None:
    """Fingerprint of the metric catalogue that the registry was indexed with, if on record."""
    return connection.scalar(select(state.c.value).where(state.c.key == _CATALOGUE))


def note_catalogue(connection: Connection, fingerprint: str) -> None:
    """Put that on record, in place of what was."""
    upsert(connection, state, sealed(state, {"key": _CATALOGUE, "value": fingerprint}))


def lock(connection: Connection) -> None:
    """Keep every other process's backfill waiting until this transaction ends."""
    connection.execute(select(state.c.value).where(state.c.key == _BACKFILL).with_for_update())


def mark_done(connection: Connection) -> None:
    """Older data has been taken over."""
    row = sealed(state, {"key": _BACKFILL, "value": _DONE})
    connection.execute(state.update().where(state.c.key == _BACKFILL).values(row))
