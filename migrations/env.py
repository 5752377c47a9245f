"""Alembic environment of the project's own tables.

The connection always comes from the caller (``hokusai_mlflow_plugin.db.schema.migrations``), which
holds the lock. No logging is configured here: that would silence the server's loggers.
"""

from __future__ import annotations

from alembic import context

from hokusai_mlflow_plugin.db.schema.tables import PREFIX, VERSION_TABLE, metadata


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Only our tables are compared; MLflow's live in the same schema."""
    return type_ != "table" or (name or "").startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=include_name,
    # SQLite can hardly alter a table: Alembic copies it there instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
