"""Entries of the history: written, and moved with their model's name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from hokusai_mlflow_plugin.db.key_ranges import newest_before
from hokusai_mlflow_plugin.db.keys import ModelId, VersionId, of_model, of_version
from hokusai_mlflow_plugin.db.schema.tables import history
from hokusai_mlflow_plugin.db.seals import sealed


@dataclass(frozen=True)
class Entry:
    """Something that happened to a token, or to a model or a version of it."""

    workspace: str
    action: str
    time_ms: int
    actor: str | None
    token_id: str | None = None
    name: str | None = None
    version: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the action was about, as JSON can say it."""


def write(connection: Connection, entries: Sequence[Entry]) -> None:
    """Put entries on record, in one statement; they are never changed, save for a model's name."""
    if entries:
        connection.execute(history.insert(), [_row(each) for each in entries])


def of_model_or_token(
    connection: Connection,
    workspace: str,
    of: ModelId | str,
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Entries of a model with its versions, or of a token, newest first.

    Args:
        connection: Where to ask.
        workspace: The workspace.
        of: The model, or the token's id.
        before: Time and id of the one before, in this order.
        limit: How many at most.
    """
    query = (
        select(history)
        .where(
            history.c.workspace == workspace,
            history.c.name == of.name if isinstance(of, ModelId) else history.c.token_id == of,
            *newest_before(history.c.entry_time, history.c.entry_id, before),
        )
        .order_by(history.c.entry_time.desc(), history.c.entry_id.desc())
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def actors_of(connection: Connection, version: VersionId, action: str) -> set[str | None]:
    """Who did something to a version, or to an earlier one of its name and number."""
    query = select(history.c.actor).where(*of_version(history, version), history.c.action == action)
    return set(connection.scalars(query.distinct()))


def rename_model(connection: Connection, model: ModelId, new_name: str) -> None:
    """Have the history of a model go on under its new name."""
    connection.execute(history.update().where(*of_model(history, model)).values(name=new_name))


def _row(entry: Entry) -> dict[str, Any]:
    row = {
        "workspace": entry.workspace,
        "entry_id": str(uuid.uuid4()),
        "entry_time": entry.time_ms,
        "action": entry.action,
        "actor": entry.actor,
        "token_id": entry.token_id,
        "name": entry.name,
        "version": entry.version,
        "details": json.dumps(entry.details, sort_keys=True),
    }
    return sealed(history, row)
