"""What decisions depend on besides the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone.evidence import Logged, Sought
from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.errors import TagsLocked, TagsRefused
from hokusai_mlflow_plugin.settings import Settings

LoggedValues = Callable[[Connection, Sought], Sequence[Logged]]
"""What was logged of what is sought, as far as the write's sender may read it."""


@dataclass(frozen=True)
class Judge:
    """What decisions depend on besides the database."""

    settings: Settings
    logged_values: LoggedValues
    claims_tokens: bool = False
    """Whether the first use of a token gives it to its workspace; where there are several."""
    heard: Callable[[Mapping[str, object]], None] = lambda _decision: None
    """Told of each decision when it is recorded, before its transaction is committed."""
    let_pass: Callable[[VersionId, TagsRefused | TagsLocked], None] = lambda _key, _refusal: None
    """Told likewise of what the audit policy does not refuse; version 0 is the model itself."""
    actor: Callable[[], str | None] = lambda: None
    """Names the user whose request it is; None where there are no users."""
