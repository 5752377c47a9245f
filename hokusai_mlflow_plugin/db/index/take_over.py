"""When the plugin took a registry over, and whether it is done with it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    model_versions,
)
from hokusai_mlflow_plugin.db.schema.tables import state
from hokusai_mlflow_plugin.db.upserts import insert_if_absent, upsert

_BACKFILL = "backfill"

_TAKEN_OVER = "taken_over_ms"

_CATALOGUE = "catalogue"

_PENDING, _DONE = "pending", "done"


def is_pending(connection: Connection) -> bool:
    """Whether older data has not been taken over yet, or not to its end."""
    return connection.scalar(select(state.c.value).where(state.c.key == _BACKFILL)) == _PENDING


def taken_over_ms(connection: Connection) -> int:
    """When older data was first taken over (ms); 0 where there was none."""
    found = connection.scalar(select(state.c.value).where(state.c.key == _TAKEN_OVER))
    return 0 if found is None else int(found)


def note_take_over(connection: Connection, now_ms: int) -> None:
    """Put on record when older data is taken over, if there is any and it is not on record."""
    if connection.scalar(select(model_versions.c.version).limit(1)) is not None:
        insert_if_absent(connection, state, {"key": _TAKEN_OVER, "value": str(now_ms)})


def catalogue(connection: Connection) -> str | None:
    """Fingerprint of the metric catalogue that the registry was indexed with, if on record."""
    return connection.scalar(select(state.c.value).where(state.c.key == _CATALOGUE))


def note_catalogue(connection: Connection, fingerprint: str) -> None:
    """Put that on record, in place of what was."""
    upsert(connection, state, {"key": _CATALOGUE, "value": fingerprint})


def lock(connection: Connection) -> None:
    """Keep every other process's backfill waiting until this transaction ends."""
    connection.execute(select(state.c.value).where(state.c.key == _BACKFILL).with_for_update())


def mark_done(connection: Connection) -> None:
    """Older data has been taken over."""
    connection.execute(state.update().where(state.c.key == _BACKFILL).values(value=_DONE))
