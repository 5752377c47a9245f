"""Alembic environment of the project's own tables.

The connection always comes from the caller (``hokusai_mlflow_plugin.db.schema.migrations``), which
holds the lock. No logging is configured here: that would silence the server's loggers.
"""

from __future__ import annotations

from alembic import context

from hokusai_mlflow_plugin.db.schema.tables import VERSION_TABLE, is_ours, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=is_ours,
    # SQLite can hardly alter a table: Alembic copies it there instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
