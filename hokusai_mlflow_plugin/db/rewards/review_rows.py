"""The SQL of reviews: an event waits for one, and somebody decides on it (R20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from hokusai_mlflow_plugin.db.joined_writes import JoinedWrites
from hokusai_mlflow_plugin.db.schema.tables import reviews
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.db.upserts import insert_if_absent
from hokusai_mlflow_plugin.domain.reward_events import ReviewStep, Verdict


@dataclass(frozen=True)
class Review:
    """How the review of an event stands."""

    is_asked: bool
    asked_by: str | None
    """Who registered the version; None where the server has no users."""
    verdict: str | None
    """None before somebody decided."""
    decided_by: str | None

    @property
    def is_pending(self) -> bool:
        return self.is_asked and self.verdict is None

    @property
    def is_held(self) -> bool:
        """Whether the event is not to be delivered."""
        return self.is_asked and self.verdict != Verdict.APPROVED.value


def read(connection: Connection, workspace: str, event_id: str) -> Review:
    """How the review of an event stands; as never asked for where there is none."""
    rows = connection.execute(
        select(reviews.c.step, reviews.c.verdict, reviews.c.actor).where(
            reviews.c.workspace == workspace, reviews.c.event_id == event_id
        )
    )
    found = {step: (verdict, actor) for step, verdict, actor in rows}
    _none, asked_by = found.get(ReviewStep.ASKED.value, (None, None))
    verdict, decided_by = found.get(ReviewStep.DECIDED.value, (None, None))
    return Review(ReviewStep.ASKED.value in found, asked_by, verdict, decided_by)


def ask(
    writes: JoinedWrites, workspace: str, event_id: str, actor: str | None, now_ms: int
) -> None:
    """Have an event wait for a review."""
    row = {
        "workspace": workspace,
        "event_id": event_id,
        "step": ReviewStep.ASKED.value,
        "verdict": None,
        "reason": None,
        "actor": actor,
        "review_time": now_ms,
    }
    writes.insert(reviews, sealed(reviews, row))


def decide(
    connection: Connection,
    workspace: str,
    event_id: str,
    verdict: Verdict,
    reason: str | None,
    actor: str | None,
    now_ms: int,
) -> bool:
    """Decide on an event; False where somebody else has just done so, whom this waits for."""
    row = {
        "workspace": workspace,
        "event_id": event_id,
        "step": ReviewStep.DECIDED.value,
        "verdict": verdict.value,
        "reason": reason,
        "actor": actor,
        "review_time": now_ms,
    }
    return insert_if_absent(connection, reviews, sealed(reviews, row))


def has_step(events: Any, step: ReviewStep) -> ColumnElement[bool]:
    """Whether an event's review came to a step.

    Args:
        events: The table of events, or an alias of it.
        step: The step.
    """
    review = reviews.alias()
    return exists().where(
        and_(
            review.c.workspace == events.c.workspace,
            review.c.event_id == events.c.event_id,
            review.c.step == step.value,
        )
    )
