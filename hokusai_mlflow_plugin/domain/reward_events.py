"""What kinds of reward events there are, and how one stands.

Source: R19 and R20.
"""

from __future__ import annotations

from enum import Enum


class Correction(str, Enum):
    """What an administrator corrects."""

    REVOKED = "revoked"
    """A DeltaOne is taken back."""
    REBASED = "rebased"
    """A series begins anew, with the best value of the versions left."""
    PAYEES_NAMED = "payees_named"
    """A DeltaOne that nobody could be paid for gets its payees."""


class EventType(str, Enum):
    """The type of an event in the ledger."""

    ACHIEVED = "hokusai.deltaone.achieved"
    REVOKED = "hokusai.deltaone.revoked"
    PAYEES_NAMED = "hokusai.deltaone.payees_named"
    REBASED = "hokusai.series.rebased"


TYPE_OF = {
    Correction.REVOKED: EventType.REVOKED,
    Correction.REBASED: EventType.REBASED,
    Correction.PAYEES_NAMED: EventType.PAYEES_NAMED,
}


class ReviewStep(str, Enum):
    """A step of the review of an event."""

    ASKED = "asked"
    DECIDED = "decided"


class Verdict(str, Enum):
    """What a reviewer decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


class SettlementStatus(str, Enum):
    """What the reward service did about an event."""

    PAID = "paid"
    REJECTED = "rejected"


class EventState(str, Enum):
    """How an event stands."""

    RECORDED = "recorded"
    """It is in the ledger, and was not delivered yet."""
    IN_REVIEW = "in_review"
    """It waits for a reviewer, and is not delivered before one approves it."""
    DELIVERED = "delivered"
    """The receiver has it."""
    SETTLED = "settled"
    """The reward service has said what it did about it."""
    REVOKED = "revoked"
    """It was taken back, by a revocation or a reviewer: nothing is owed for it."""
