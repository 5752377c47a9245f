"""What the database and the feed say when all is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text

_UNDECIDED = """
model_versions v WHERE NOT EXISTS (
    SELECT 1 FROM hokusai_decisions d WHERE d.name = v.name AND d.version = v.version
)
"""
_UNSIGNED = """
hokusai_reward_ledgers l WHERE NOT EXISTS (
    SELECT 1 FROM hokusai_reward_checkpoints c
    WHERE c.workspace = l.workspace AND c.sequence = l.last_sequence
)
"""
_OF_STATUS = """
SELECT e.event_id FROM hokusai_reward_events e
JOIN hokusai_reward_deliveries d USING (workspace, sequence) WHERE d.status = :status
"""


@dataclass(frozen=True)
class Books:
    """What the database says."""

    versions: int
    undecided: int
    """Versions on which nothing was decided."""
    achieved: int
    """Decisions."""
    pending: int
    """Deliveries."""
    attempts: int
    checkpoints: int
    unsigned: int
    """Ledgers whose end no checkpoint is of."""
    settlements: int
    delivered: frozenset[str]
    """Ids of events."""
    dead: frozenset[str]
    """Likewise: what was revoked before it was sent, and so is never sent."""
    points: Mapping[str, Decimal]
    """From the baseline to the head of the one series of each token."""

    @classmethod
    def read(cls, engine: Engine) -> Books:
        with engine.connect() as connection:

            def count(what: str) -> int:
                return int(connection.scalar(text(f"SELECT count(*) FROM {what}")))

            def of_status(status: str) -> frozenset[str]:
                return frozenset(connection.scalars(text(_OF_STATUS), {"status": status}))

            heads = connection.execute(
                text("SELECT token_id, baseline_value, head_value FROM hokusai_series")
            )
            return cls(
                count("model_versions"),
                count(_UNDECIDED),
                count("hokusai_decisions WHERE outcome = 'achieved'"),
                count("hokusai_reward_deliveries WHERE status IN ('pending', 'sending')"),
                count("hokusai_reward_attempts"),
                count("hokusai_reward_checkpoints"),
                count(_UNSIGNED),
                count("hokusai_reward_settlements"),
                of_status("delivered"),
                of_status("dead"),
                {token: (Decimal(head) - Decimal(base)) * 100 for token, base, head in heads},
            )


@dataclass(frozen=True)
class Account:
    """What the feed says, as a reward service adds it up."""

    events: int
    achieved: int
    revoked: frozenset[str]
    """Ids of DeltaOnes that were taken back."""
    settled: frozenset[str]
    """Ids of those that stand and were paid."""
    unsettled: frozenset[str]
    rebased: int
    payees_named: int
    points: Mapping[str, Decimal]
    """Of what stands, by token."""

    @classmethod
    def of(cls, feed: Iterable[Mapping[str, Any]]) -> Account:
        events = list(feed)
        achieved = [each for each in events if each["type"] == "hokusai.deltaone.achieved"]
        told = {
            each["data"]["event"]["id"]
            for each in events
            if each["type"] == "hokusai.deltaone.revoked"
        }
        points: defaultdict[str, Decimal] = defaultdict(Decimal)
        by_state: defaultdict[str, set[str]] = defaultdict(set)
        for event in achieved:
            by_state[event["state"]].add(event["id"])
            if event["id"] not in told:
                points[event["token_id"]] += Decimal(event["data"]["improvement_pp"])
        assert by_state["revoked"] == told, "a state differs from the feed's revocations"
        unsettled = set().union(*(ids for state, ids in by_state.items() if state != "settled"))
        return cls(
            len(events),
            len(achieved),
            frozenset(told),
            frozenset(by_state["settled"]),
            frozenset(unsettled - told),
            sum(each["type"] == "hokusai.series.rebased" for each in events),
            sum(each["type"] == "hokusai.deltaone.payees_named" for each in events),
            points,
        )
