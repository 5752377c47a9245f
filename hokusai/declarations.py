"""Declaring tokens: what they pay for, and who may put them on versions.

For administrators, on a server with users. Source: R18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hokusai.arguments import number_text, text
from hokusai.errors import RequestRefused, translated
from hokusai.transport import Transport

__all__ = ["TokenDeclaration", "TokenDeclarations"]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class TokenDeclaration:
    """What a token pays for, and who may put it on versions."""

    token_id: str
    metrics: tuple[str, ...]
    """Canonical names, in order."""
    publishers: tuple[str, ...]
    """Names of users, in order."""
    ceiling_pp: Decimal | None
    """The most percentage points that one event may be worth without a review."""
    declared_timestamp: int
    """In ms."""
    closed_timestamp: int | None
    """In ms; None while versions may carry it."""
    is_enforced: bool
    """Whether the registry asks for declarations at all (``HOKUSAI_TOKENS=declared``)."""

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> TokenDeclaration:
        """From the answer of a registry."""
        found = dict(answer["declaration"])
        ceiling = found["ceiling_pp"]
        found["metrics"], found["publishers"] = tuple(found["metrics"]), tuple(found["publishers"])
        found["ceiling_pp"] = None if ceiling is None else Decimal(ceiling)
        return cls(**found)


class TokenDeclarations:
    """The part of the registry that declares tokens; ``ModelRegistry`` has it."""

    @property
    def _transport(self) -> Transport:
        raise NotImplementedError

    @translated()
    def declare_token(
        self,
        token_id: str,
        metrics: Iterable[str],
        publishers: Iterable[str] | None = None,
        ceiling_pp: str | float | Decimal | None = None,
        *,
        reassign: bool = False,
    ) -> TokenDeclaration:
        """Declare a token, or declare it anew: also one that was closed.

        Args:
            token_id: The token.
            metrics: The metrics that it pays for.
            publishers: Names of the users who may put it on versions; None leaves them as they are.
            ceiling_pp: The most percentage points that one event may be worth without a review.
            reassign: Take the token from another workspace, whose publishers stay behind.

        Raises:
            RequestRefused: A parameter cannot be used, or another workspace has the token.
        """
        given: dict[str, Any] = {"token_id": text("token_id", token_id), "reassign": bool(reassign)}
        given["metrics"] = _texts("metrics", metrics)
        if publishers is not None:
            given["publishers"] = _texts("publishers", publishers)
        if ceiling_pp is not None:
            given["ceiling_pp"] = number_text(ceiling_pp) or text("ceiling_pp", ceiling_pp)
        return TokenDeclaration.from_json(self._transport.post("tokens/declare", **given))

    @translated()
    def grant_token(self, token_id: str, publishers: Iterable[str]) -> TokenDeclaration:
        """Let users put a declared token on versions; who may already stays.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; the token is not declared here.
        """
        return self._change("tokens/grant", token_id, publishers=_texts("publishers", publishers))

    @translated()
    def revoke_token(self, token_id: str, publishers: Iterable[str]) -> TokenDeclaration:
        """Let users put a declared token on versions no more.

        Raises:
            RequestRefused: One of them is no publisher of it.
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; the token is not declared here.
        """
        return self._change("tokens/revoke", token_id, publishers=_texts("publishers", publishers))

    @translated()
    def close_token(self, token_id: str) -> TokenDeclaration:
        """Let nobody put a declared token on versions any more; what it earned stays.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; the token is not declared here.
        """
        return self._change("tokens/close", token_id)

    @translated()
    def get_token_declaration(self, token_id: str) -> TokenDeclaration:
        """What a token is declared for, and who may put it on versions.

        Raises:
            MlflowException: ``RESOURCE_DOES_NOT_EXIST``; the token is not declared here.
        """
        given = text("token_id", token_id)
        return TokenDeclaration.from_json(self._transport.get("tokens/publishers", token_id=given))

    def _change(self, route: str, token_id: str, **others: Any) -> TokenDeclaration:
        given = text("token_id", token_id)
        return TokenDeclaration.from_json(self._transport.post(route, token_id=given, **others))


def _texts(name: str, values: object) -> list[str]:
    """Names that were given as a list; a single text is no list of its letters."""
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping)):
        return [text(f"An item of {name}", each) for each in values]
    raise RequestRefused(f"{name} is of type {type(values).__name__}. Give a list of names.")
