"""What happened to a model or a token: when, and on whose request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HistoryEntry"]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class HistoryEntry:
    """Something that happened to a model, to a version of it, or to a token."""

    timestamp: int
    """Epoch milliseconds."""
    action: str
    """Such as ``decided``, ``stage_set`` or ``token_granted``."""
    actor: str | None
    """Whose request it came from; None where the server has no users."""
    token_id: str | None
    name: str | None
    version: str | None
    details: Mapping[str, Any]
    """What the action was about."""
    decision: Mapping[str, Any] | None
    """Of action ``decided``."""
