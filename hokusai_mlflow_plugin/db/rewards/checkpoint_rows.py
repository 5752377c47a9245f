"""The SQL of checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, RowMapping, and_, select

from hokusai_mlflow_plugin.db.key_ranges import follows
from hokusai_mlflow_plugin.db.schema.tables import checkpoints, ledgers, reward_events, state
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent

_BATCH_ROWS = 500
_MARK = "checkpoint"
_COLUMNS = checkpoints.c
_NEWEST_FIRST = (_COLUMNS.sequence.desc(), _COLUMNS.checkpoint_time.desc())


def workspaces(connection: Connection) -> list[str]:
    """Every workspace whose ledger has events, in order."""
    begun = select(ledgers.c.workspace).where(ledgers.c.last_sequence > 0)
    return sorted(connection.scalars(begun))


def workspace_of(connection: Connection, ledger_id: str) -> str | None:
    """The workspace that has a ledger; None where none has it."""
    return connection.scalar(select(ledgers.c.workspace).where(ledgers.c.ledger_id == ledger_id))


def read_newest(connection: Connection, workspace: str) -> RowMapping | None:
    """The checkpoint with the most events of a workspace's ledger, of several the last made."""
    query = select(checkpoints).where(_COLUMNS.workspace == workspace).order_by(*_NEWEST_FIRST)
    return connection.execute(query.limit(1)).mappings().one_or_none()


def read_at(connection: Connection, workspace: str, sequence: int) -> Sequence[RowMapping]:
    """The checkpoints that were made of a ledger when it ended with this event."""
    query = select(checkpoints).where(
        _COLUMNS.workspace == workspace, _COLUMNS.sequence == sequence
    )
    return connection.execute(query).mappings().all()


def insert(
    connection: Connection,
    workspace: str,
    ledger_id: str,
    sequence: int,
    time_ms: int,
    note: str,
    public_keys: Sequence[str],
) -> None:
    """Write a checkpoint; one of the same event and millisecond stays as it is."""
    row = {
        "workspace": workspace,
        "sequence": sequence,
        "checkpoint_time": time_ms,
        "note": note,
        "public_keys": "\n".join(public_keys),
    }
    insert_if_absent(connection, checkpoints, sealed(checkpoints, row))
    insert_if_absent(connection, state, sealed(state, {"key": _mark(ledger_id), "value": _MARK}))


def were_made(connection: Connection, ledger_id: str) -> bool:
    """Whether checkpoints of a ledger were ever made, as the registry's state has it."""
    return connection.scalar(select(state.c.key).where(state.c.key == _mark(ledger_id))) is not None


def read_with_events(connection: Connection, workspace: str) -> Iterator[RowMapping]:
    """Every checkpoint of a workspace in order, with what the database has in its place now.

    Shape: the checkpoint's columns, ``ledger_id``, and ``event_hash``; null where one is gone.
    A statement for each batch: writers go on meanwhile.
    """
    keys = list(checkpoints.primary_key)
    of_event = and_(
        reward_events.c.workspace == _COLUMNS.workspace,
        reward_events.c.sequence == _COLUMNS.sequence,
    )
    query = (
        select(checkpoints, ledgers.c.ledger_id, reward_events.c.hash.label("event_hash"))
        .select_from(
            checkpoints.outerjoin(ledgers, ledgers.c.workspace == _COLUMNS.workspace).outerjoin(
                reward_events, of_event
            )
        )
        .where(_COLUMNS.workspace == workspace)
        .order_by(*keys)
        .limit(_BATCH_ROWS)
    )
    rows = connection.execute(query).mappings().all()
    while rows:
        yield from rows
        after = follows(connection, keys, [rows[-1][key.name] for key in keys])
        rows = connection.execute(query.where(after)).mappings().all()


def _mark(ledger_id: str) -> str:
    """The key of the state that tells that a ledger has checkpoints; it has 32 characters."""
    return f"cp{ledger_id.replace('-', '')[:30]}"
