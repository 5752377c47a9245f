"""What decisions depend on besides the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.domain.errors import TagsLocked, TagsRefused
from hokusai_mlflow_plugin.settings import Settings

LoggedMetric = Callable[[Connection, str, str], float | None]
"""``(connection, run_id, metric)`` → the value that the tracking server has, or None."""


@dataclass(frozen=True)
class Judge:
    """What decisions depend on besides the database."""

    settings: Settings
    logged_metric: LoggedMetric
    taken_over_ms: int = 0
    """Versions created before this time are older than the plugin: they earn nothing (R13)."""
    heard: Callable[[Mapping[str, object]], None] = lambda _decision: None
    """Told of each decision when it is recorded, before its transaction is committed."""
    let_pass: Callable[[VersionId, TagsRefused | TagsLocked], None] = lambda _key, _refusal: None
    """Told likewise of what the audit policy does not refuse; version 0 is the model itself."""
