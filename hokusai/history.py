"""What happened to a model or a token: when, and on whose request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hokusai.arguments import text
from hokusai.errors import translated
from hokusai.transport import Transport, every

__all__ = ["Histories", "HistoryEntry"]


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


class Histories:
    """The part of the registry that tells what happened; ``ModelRegistry`` has it."""

    @property
    def _transport(self) -> Transport:
        raise NotImplementedError

    @translated()
    def get_model_history(self, name: str) -> list[HistoryEntry]:
        """What happened to a model and its tokenised versions, newest first.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; there is no such model.
        """
        return self._history("registered-models/history", name=text("name", name))

    @translated()
    def get_token_history(self, token_id: str) -> list[HistoryEntry]:
        """What happened to a token and under it, newest first.

        Raises:
            RequestRefused: The token id is malformed.
        """
        return self._history("tokens/history", token_id=text("token_id", token_id))

    def _history(self, route: str, **parameters: str) -> list[HistoryEntry]:
        found = every(self._transport, route, "entries", **parameters)
        return [HistoryEntry(**each) for each in found]
