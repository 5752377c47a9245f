"""Who owns a token: its workspace, and what its declaration says.

Source: R18.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, shown

NOT_A_PUBLISHER = "token_publisher"
OWNERSHIP_CODES = frozenset(
    (
        "token_elsewhere",
        "token_undeclared",
        "token_closed",
        "token_metric_undeclared",
        NOT_A_PUBLISHER,
    )
)
"""Codes of what the owners of tokens refuse; the tags themselves do not show it."""


@dataclass(frozen=True)
class Ownership:
    """What is known of a token that a workspace has."""

    workspace: str
    metrics: frozenset[str] | None = None
    """Canonical names of the metrics that it pays for; None where it is not declared."""
    ceiling_pp: str | None = None
    """The most points that one event may be worth without a review."""
    is_closed: bool = False
    is_publisher: bool = False
    """Whether the sender may put it on versions."""


@dataclass(frozen=True)
class Use:
    """A write that leaves a token on a version or a model."""

    workspace: str
    token_id: str
    metric: str | None
    """The metric's canonical name; None where none is named."""
    user: str | None
    """Who sent it; None where the server has no users: whoever has the database is trusted."""


def check_ownership(use: Use, owner: Ownership | None, *, declared: bool) -> list[Violation]:
    """Every reason for which a token's owner refuses a use of it.

    Args:
        use: The write.
        owner: Who has the token; None where nobody has it yet.
        declared: Whether tokens have to be declared.
    """
    if owner is not None and owner.workspace != use.workspace:
        # Not which one: a workspace is its members' own business.
        message = (
            f"Token {use.token_id} belongs to another workspace of this server, which used or "
            "declared it first. Use a token of your own, or ask an administrator to assign it to "
            "this workspace: 'hokusai-mlflow token declare --reassign'."
        )
        return [Violation(TOKEN_ID_TAG, "token_elsewhere", message)]
    if not declared:
        return []
    if owner is None or owner.metrics is None:
        message = (
            f"Token {use.token_id} is not declared, and this registry takes no other "
            "(HOKUSAI_TOKENS=declared). An administrator declares it with 'hokusai-mlflow token "
            f"declare {use.token_id} --metric METRIC --publisher USER'."
        )
        return [Violation(TOKEN_ID_TAG, "token_undeclared", message)]
    return _against_declaration(use, owner, sorted(owner.metrics))


def is_only_sender_at_fault(found: Collection[Violation]) -> bool:
    """Whether another user could write the same: it is no wrong request, but a forbidden one."""
    return {each.code for each in found} == {NOT_A_PUBLISHER}


def _against_declaration(use: Use, owner: Ownership, metrics: list[str]) -> list[Violation]:
    found = []
    if owner.is_closed:
        message = f"Token {use.token_id} is closed: no version may carry it any more."
        found.append(Violation(TOKEN_ID_TAG, "token_closed", message))
    if use.metric is not None and use.metric not in metrics:
        message = (
            f"Token {use.token_id} does not pay for metric {shown(use.metric)}; it is declared "
            f"for {', '.join(metrics)}."
        )
        found.append(Violation(BENCHMARK_METRIC_TAG, "token_metric_undeclared", message))
    # MySQL takes "alice " for "alice". No publisher's name ends in a blank.
    is_publisher = owner.is_publisher and use.user is not None and use.user == use.user.strip()
    if use.user is not None and not is_publisher:
        message = (
            f"User {shown(use.user)} may not put token {use.token_id} on versions. An "
            f"administrator allows it with 'hokusai-mlflow token grant {use.token_id} --publisher "
            "USER'."
        )
        found.append(Violation(TOKEN_ID_TAG, NOT_A_PUBLISHER, message))
    return found
