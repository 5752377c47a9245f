"""Whether deliveries to a receiver were stopped, kept for every dispatcher."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hokusai_mlflow_plugin.db.schema.tables import state
from hokusai_mlflow_plugin.db.upserts import upsert

_KEY = "receiver_gone"


def stop(connection: Connection, mark: str) -> None:
    """Keep that nothing is to be delivered any more to the receiver with this mark."""
    upsert(connection, state, {"key": _KEY, "value": mark})


def stopped_mark(connection: Connection) -> str | None:
    """The mark of the receiver to which deliveries were stopped, or None."""
    return connection.scalar(select(state.c.value).where(state.c.key == _KEY))


def resume(connection: Connection) -> None:
    """Let deliveries go on, whatever receiver they were stopped to."""
    connection.execute(state.delete().where(state.c.key == _KEY))
