"""The ledger of reward events: one for each DeltaOne and each correction, chained by hash.

They are numbered without gaps. An event is written in the transaction of what it tells of. A writer
holds the ledger's row from here to its commit, so the sequence is the commit order.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone.surroundings import SeriesHead
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.rewards import delivery_queue, ledger_rows, review_rows
from hokusai_mlflow_plugin.db.rewards.ledger_rows import LedgerTail
from hokusai_mlflow_plugin.domain.addresses import address_note
from hokusai_mlflow_plugin.domain.contributors import Contributor
from hokusai_mlflow_plugin.domain.reward_events import EventType
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.services.rewards import catching_up, payee_totals

FIRST_HASH = "0" * 64
"""``previous_hash`` of the first event."""
DATA_KEYS = frozenset(
    (
        "workspace",
        "token_id",
        "name",
        "version",
        "run_id",
        "benchmark_metric",
        "direction",
        "baseline",
        "value",
        "improvement_pp",
        "threshold_pp",
        "unit",
        "evidence",
        "contributors",
    )
)
"""What the data of the event of a DeltaOne has, and nothing else."""

SINCE_0004 = frozenset(("threshold_pp", "unit"))
"""Of these, those that events from before revision 0004 do not have."""

ACTOR_KEY = "actor"
"""What the data has besides where events name the user (``HOKUSAI_EVENT_ACTORS``)."""


@dataclass(frozen=True)
class AskedBy:
    """On whose request an event waits for a review; he is among those who are not to approve it."""

    actor: str | None


@dataclass(frozen=True)
class Entry:
    """An event before it has its place in the ledger."""

    id: str
    type: EventType
    time_ms: int
    token_id: str
    decision_id: str
    data: Mapping[str, Any]


def append(
    connection: Connection,
    writes: JoinedWrites,
    version: Version,
    tags: TokenTags,
    decision: Mapping[str, Any],
    head: SeriesHead,
    review: AskedBy | None,
    *,
    names_actor: bool,
) -> None:
    """Write the event of an achieved decision.

    It leaves the server: whose request it came from it tells only where that is asked for.

    Where a review is asked for, it is not delivered before a reviewer approves it (R20).

    Its id follows from the series and the head it was measured against. A head is left only once,
    because it never falls, so no repeat of any kind can make a second event for the same step. Only
    a correction lowers it (R19): from then on the id says, too, how often that was.
    """
    workspace = version.id.workspace
    tail = lock(connection, workspace)
    entry = Entry(
        step_id(tail.ledger_id, tags.token_id, tags.benchmark_metric, head.value, head.falls),
        EventType.ACHIEVED,
        decision["decided_time"],
        tags.token_id,
        decision["decision_id"],
        _data(version, tags, decision, head)
        | ({ACTOR_KEY: decision["actor"]} if names_actor else {}),
    )
    write(connection, writes, workspace, tail, entry, review)


def lock(connection: Connection, workspace: str) -> LedgerTail:
    """The end of a workspace's chain, held until the commit.

    A number that is given out before another's commit would leave a gap where that one rolls back,
    and readers of the feed would miss it.
    """
    return ledger_rows.lock_ledger(connection, workspace, str(uuid.uuid4()), FIRST_HASH)


def write(
    connection: Connection,
    writes: JoinedWrites,
    workspace: str,
    tail: LedgerTail,
    entry: Entry,
    review: AskedBy | None = None,
) -> int:
    """Write an event at the end of the chain, under its lock; returns its sequence number."""
    event: dict[str, Any] = {
        "sequence": tail.last_sequence + 1,
        "id": entry.id,
        "type": entry.type.value,
        "timestamp": entry.time_ms,
        "token_id": entry.token_id,
        "data": entry.data,
        "previous_hash": tail.last_hash,
    }
    digest = event_hash(event)
    catching_up.note_runs(connection, workspace, tail, entry.decision_id)
    payee_totals.note(connection, writes, workspace, tail, event)
    ledger_rows.insert_event(
        writes,
        {
            "workspace": workspace,
            "sequence": event["sequence"],
            "event_id": event["id"],
            "type": event["type"],
            "event_time": event["timestamp"],
            "token_id": event["token_id"],
            "decision_id": entry.decision_id,
            # Kept as text in its canonical form: a JSON column may change order and numbers, and
            # the hash would fit no more.
            "data": rfc8785.dumps(event["data"]).decode(),
            "previous_hash": event["previous_hash"],
            "hash": digest,
        },
    )
    sequence = tail.last_sequence + 1
    if review is None:
        delivery_queue.make_due(writes, workspace, sequence, entry.time_ms)
    else:
        review_rows.ask(writes, workspace, entry.id, review.actor, entry.time_ms)
    ledger_rows.advance(writes, workspace, sequence, digest)
    return sequence


def step_id(ledger_id: str, token_id: str, metric: str, beaten: str, falls: int) -> str:
    """The id of the event of a step: of the value that was beaten, after so many corrections."""
    step: list[Any] = [token_id, metric, beaten]
    return derived_id(ledger_id, [*step, falls] if falls else step)


def derived_id(ledger_id: str, of: Sequence[Any]) -> str:
    """The id of an event in its ledger, by what there can be but one event of."""
    return str(uuid.uuid5(uuid.UUID(ledger_id), rfc8785.dumps(list(of)).decode()))


def event_hash(event: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the canonical JSON (RFC 8785) of an event without its own hash."""
    content = {key: value for key, value in event.items() if key != "hash"}
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _data(
    version: Version, tags: TokenTags, decision: Mapping[str, Any], head: SeriesHead
) -> dict[str, Any]:
    return {
        "workspace": version.id.workspace,
        "token_id": tags.token_id,
        "name": version.id.name,
        "version": str(version.id.version),
        "run_id": version.run_id or None,
        "benchmark_metric": tags.benchmark_metric,
        "direction": decision["direction"],
        "baseline": {"name": head.name, "version": str(head.version), "value": head.value},
        "value": decision["value"],
        "improvement_pp": decision["improvement_pp"],
        "threshold_pp": decision["threshold_pp"],
        "unit": decision["unit"],
        "evidence": decision["evidence"],
        "contributors": [contributor_of(each) for each in tags.contributors],
    }


def contributor_of(contributor: Contributor) -> dict[str, Any]:
    """A contributor as an event tells it."""
    return {
        "contributor": contributor.text,
        "address": contributor.address,
        "weight": contributor.weight,
        "payable": contributor.address is not None,
        "note": address_note(contributor.text),
    }
