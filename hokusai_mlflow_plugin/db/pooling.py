"""Connections through a pooler that hands them out by the transaction, such as PgBouncer.

psycopg 3 prepares a statement on the server when it has run five times, under a name of its own
count. On a connection that belongs to another client in the next transaction, the name is unknown,
or that of another statement. SQLAlchemy passes no number in a URI on to the driver, so MLflow's
engines can be told by a plugin of SQLAlchemy's alone: ``postgresql+psycopg://…?plugin=pgbouncer``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, CreateEnginePlugin, Engine, event


class Unprepared(CreateEnginePlugin):
    """Has an engine's connections prepare nothing; the entry point ``pgbouncer``."""

    def update_url(self, url: URL) -> URL:
        return url  # SQLAlchemy has taken the plugin's own parameter out

    def engine_created(self, engine: Engine) -> None:
        event.listen(engine, "connect", _prepare_nothing)


def _prepare_nothing(connection: Any, _record: object) -> None:
    # Other drivers of PostgreSQL have no such attribute, and prepare nothing by themselves.
    if hasattr(connection, "prepare_threshold"):
        connection.prepare_threshold = None
