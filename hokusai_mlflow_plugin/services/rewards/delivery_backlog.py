"""How far the delivery of reward events is behind."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.rewards import delivery_state


def age_s(connection: Connection, _workspace: str) -> float:
    """Seconds since the oldest event that waits for its delivery, in any workspace; 0 for none."""
    _count, oldest_ms = delivery_state.backlog(connection)
    return 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000)
