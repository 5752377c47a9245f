"""The ledger of reward events: one for each DeltaOne, numbered without gaps, chained by hash.

The event is written in the transaction of the version that earned it. A writer holds the ledger's
row from here to its commit, so the sequence is the commit order.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import rfc8785
from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone.series_heads import SeriesHead
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.domain.addresses import address_note
from hokusai_mlflow_plugin.domain.contributors import Contributor
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.services.rewards import catching_up, payee_totals

EVENT_TYPE = "hokusai.deltaone.achieved"
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
"""What the data of an event has, and nothing else."""

SINCE_0004 = frozenset(("threshold_pp", "unit"))
"""Of these, those that events from before revision 0004 do not have."""


def append(
    connection: Connection,
    version: Version,
    tags: TokenTags,
    decision: Mapping[str, Any],
    head: SeriesHead,
) -> None:
    """Write the event of an achieved decision.

    Its id follows from the series and the head it was measured against. A head is left only once,
    because it never falls, so no repeat of any kind can make a second event for the same step.
    """
    workspace = version.id.workspace
    # Held until the commit: a number that is given out before another's commit would leave a gap
    # where that one rolls back, and readers of the feed would miss it.
    tail = ledger_rows.lock_ledger(connection, workspace, str(uuid.uuid4()), FIRST_HASH)
    step = [tags.token_id, tags.benchmark_metric, head.value]
    event = {
        "sequence": tail.last_sequence + 1,
        "id": str(uuid.uuid5(uuid.UUID(tail.ledger_id), rfc8785.dumps(step).decode())),
        "type": EVENT_TYPE,
        "timestamp": decision["decided_time"],
        "token_id": tags.token_id,
        "data": _data(version, tags, decision, head),
        "previous_hash": tail.last_hash,
    }
    digest = event_hash(event)
    catching_up.note_runs(connection, workspace, tail, decision["decision_id"])
    payee_totals.note(connection, workspace, tail, event)
    ledger_rows.insert_event(
        connection,
        {
            "workspace": workspace,
            "sequence": event["sequence"],
            "event_id": event["id"],
            "type": event["type"],
            "event_time": event["timestamp"],
            "token_id": event["token_id"],
            "decision_id": decision["decision_id"],
            # Kept as text in its canonical form: a JSON column may change order and numbers, and
            # the hash would fit no more.
            "data": rfc8785.dumps(event["data"]).decode(),
            "previous_hash": event["previous_hash"],
            "hash": digest,
        },
    )
    ledger_rows.advance(connection, workspace, tail.last_sequence + 1, digest)


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
