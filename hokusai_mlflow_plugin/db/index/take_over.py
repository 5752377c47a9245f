"""When the plugin took a registry over, and whether it is done with it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.mlflow_tables import (
    model_versions,
)
from hokusai_mlflow_plugin.db.schema.tables import state
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent

_BACKFILL = "backfill"

_TAKEN_OVER = "taken_over_ms"

_PENDING, _DONE = "pending", "done"


def is_pending(connection: Connection) -> bool:
    """Whether older data has not been taken over yet, or not to its end."""
    return connection.scalar(select(state.c.value).where(state.c.key == _BACKFILL)) == _PENDING


def is_recorded(connection: Connection) -> bool:
    """Whether it is on record that older data is taken over, and since when, or still to be."""
    query = select(state.c.key, state.c.value).where(state.c.key.in_((_BACKFILL, _TAKEN_OVER)))
    found = {row.key: row.value for row in connection.execute(query)}
    return found.get(_BACKFILL) in (_PENDING, _done(found.get(_TAKEN_OVER)))


def taken_over_ms(connection: Connection) -> int:
    """When older data was first taken over (ms); 0 where there was none."""
    found = connection.scalar(select(state.c.value).where(state.c.key == _TAKEN_OVER))
    return 0 if found is None else int(found)


def note_take_over(connection: Connection, now_ms: int) -> None:
    """Put on record when older data is taken over, if there is any and it is not on record."""
    if connection.scalar(select(model_versions.c.version).limit(1)) is not None:
        row = sealed(state, {"key": _TAKEN_OVER, "value": str(now_ms)})
        insert_if_absent(connection, state, row)


def lock(connection: Connection) -> None:
    """Keep every other process's backfill waiting until this transaction ends."""
    connection.execute(select(state.c.value).where(state.c.key == _BACKFILL).with_for_update())


def mark_done(connection: Connection) -> None:
    """Older data has been taken over."""
    taken_over = connection.scalar(select(state.c.value).where(state.c.key == _TAKEN_OVER))
    row = sealed(state, {"key": _BACKFILL, "value": _done(taken_over)})
    connection.execute(state.update().where(state.c.key == _BACKFILL).values(row))


def _done(taken_over: str | None) -> str:
    """It repeats the time, so that the row of that cannot go unnoticed."""
    return _DONE if taken_over is None else f"{_DONE} {taken_over}"
