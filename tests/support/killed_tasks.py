"""What is killed in the middle: a write, a command of a route, a delivery, a migration."""

from __future__ import annotations

import os
from typing import Any

from alembic import command
from sqlalchemy import Engine, create_engine, event

from hokusai_mlflow_plugin.db.schema import migration_lock, migrations
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.services.rewards import dispatch
from hokusai_mlflow_plugin.store.mlflow_compat.database import engine_of
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session
from hokusai_mlflow_plugin.store.registry_store import build_store
from support.killed import Die, Task
from support.receiver import SECRET
from support.registry import create_version, set_tag

CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "COMMIT")
"""How statements begin that change a database."""


def registry_writes(_die: Die, database_uri: str) -> tuple[Engine, Task]:
    """Writes to a registry: a version with tags, or one tag of a version."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    store: Any = build_store(f"hokusai+{database_uri}")

    def write(name: str, tags: dict[str, str], version: int | None = None) -> None:
        if version is None:
            create_version(store, name, tags)
        else:
            for key, value in tags.items():
                set_tag(store, name, version, key, value)

    return store.engine, write


def commanding(die: Die, database_uri: str) -> tuple[None, Task]:
    """What routes change: corrections, reviews, settlements, declarations."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    store: Any = build_store(f"hokusai+{database_uri}")
    _die_at_changes(store.engine, die)
    store.engine.dispose()

    def command(path: str, parameters: dict[str, Any]) -> None:
        store.engine.dispose(close=False)
        store.answer(path, **parameters)

    return None, command


def dispatching(die: Die, database_uri: str, url: str) -> tuple[Engine, Task]:
    """Delivers what is due, some time from now; it can also die right before and after a post."""
    engine = engine_of(database_uri)
    session = webhook_session(url, allow_private=True)
    post = session.post

    def deadly_post(*args: Any, **kwargs: Any) -> Any:
        die()
        answer = post(*args, **kwargs)
        die()
        return answer

    session.post = deadly_post  # type: ignore[method-assign]

    def deliver(ahead_s: float) -> None:
        now_ms = dispatch._now_ms
        dispatch._now_ms = lambda: now_ms() + int(ahead_s * 1000)
        receiver = dispatch.Receiver(url, [SECRET], timeout_s=20)
        dispatch.Dispatcher(engine, receiver, RetryPolicy(), session).deliver_due()

    return engine, deliver


def migrating(die: Die, database_uri: str) -> tuple[None, Task]:
    """Every migration of the project's own tables, up or down."""
    engine = create_engine(database_uri)
    _die_at_changes(engine, die)

    def move(direction: str) -> None:
        if direction == "up":
            migrations.upgrade(engine)
        else:
            downgrade(engine)

    return None, move


def downgrade(engine: Engine) -> None:
    """Take every migration back."""
    with migration_lock.exclusive(engine) as connection:
        command.downgrade(migrations._config(connection), "base")


def _die_at_changes(engine: Engine, die: Die) -> None:
    """Before each statement that changes something and before each commit.

    A read before them leaves the same behind.
    """
    event.listen(engine, "commit", lambda _: die())

    @event.listens_for(engine, "before_cursor_execute")
    def _before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(CHANGES):
            die()
