"""Whether a write may leave a token on a version or a model, in the transaction of that write.

Source: R18.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.tokens import token_owners
from hokusai_mlflow_plugin.domain.errors import NotAPublisher, TagsRefused, Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.metrics import BENCHMARK_METRIC_TAG
from hokusai_mlflow_plugin.domain.ownership import (
    Ownership,
    Use,
    check_ownership,
    is_only_sender_at_fault,
)
from hokusai_mlflow_plugin.domain.tokens import TOKEN_ID_TAG, is_token_id
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.settings import Settings, TokensPolicy


def use_of(
    workspace: str, tags: Mapping[str, str], catalogue: Catalogue, user: str | None
) -> Use | None:
    """The use of a token that tags make; None where they name none that could have an owner."""
    token_id, metric = tags.get(TOKEN_ID_TAG, ""), tags.get(BENCHMARK_METRIC_TAG)
    if not is_token_id(token_id):
        return None
    return Use(workspace, token_id, None if metric is None else catalogue.canonical(metric), user)


def owner_faults(settings: Settings, use: Use | None, owner: Ownership | None) -> list[Violation]:
    """Every reason for which the token's owner refuses a use of it."""
    if use is None:
        return []
    return check_ownership(use, owner, declared=settings.tokens is TokensPolicy.DECLARED)


def faults_before_writing(
    connection: Connection, settings: Settings, use: Use | None, *, claims_tokens: bool
) -> list[Violation]:
    """Every reason for which the token's owner would refuse a use of it; claims nothing.

    Args:
        connection: Where to ask.
        settings: Those of the registry.
        use: What would be written; None where it names no token.
        claims_tokens: Whether a first use gives a token to its workspace.
    """
    if use is None:
        return []
    owner = token_owners.read_owner(connection, use.token_id, use.user)
    found = owner_faults(settings, use, owner)
    if found or owner is not None or not claims_tokens:
        return found
    first = token_owners.first_workspace(connection, use.token_id)
    return [] if first is None else check_ownership(use, Ownership(first), declared=False)


def claim_first_use(connection: Connection, judge: Judge, use: Use | None, subject: str) -> None:
    """Give a token that nobody has to the workspace that uses it.

    Raises:
        TagsRefused: Another workspace was faster, or has used it before.
    """
    if use is None or not judge.claims_tokens:
        return
    now_ms = time.time_ns() // 1_000_000
    owner = Ownership(token_owners.claim(connection, use.workspace, use.token_id, now_ms))
    if violations := check_ownership(use, owner, declared=False):
        raise TagsRefused(violations, subject)


def refusal(violations: list[Violation], subject: str) -> TagsRefused:
    """The error for faults of a write: another one where the sender alone is at fault."""
    kind = NotAPublisher if is_only_sender_at_fault(violations) else TagsRefused
    return kind(violations, subject)
