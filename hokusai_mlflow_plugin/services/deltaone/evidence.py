"""What the tracking server knows of a value that a version claims.

Source: R10 and R14.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.domain.delta import (
    Evidence,
)
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG, stored_value
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.settings import Settings


@dataclass(frozen=True)
class Finding:
    """What the tracking server knows of a value."""

    evidence: Evidence
    logged: str | None


def find_evidence(
    connection: Connection, judge: Judge, version: Version, tags: TokenTags
) -> Finding:
    """What the run that a version names logged for its metric, and whether it is the claim."""
    logged = None
    if version.run_id:
        logged = judge.logged_metric(connection, version.run_id, tags.benchmark_metric)
    if logged is None:
        return Finding(Evidence.CLAIMED, None)
    equal = stored_value(tags.benchmark_value) == Decimal(repr(logged))
    return Finding(Evidence.RUN_BACKED if equal else Evidence.MISMATCH, repr(logged))


def require_evidence(
    settings: Settings, version: Version, tags: TokenTags, finding: Finding
) -> None:
    """Refuse a value without run evidence where the registry requires it.

    Raises:
        TagsRefused: It has none, or another value was logged.
    """
    if not settings.require_run_evidence or finding.evidence is Evidence.RUN_BACKED:
        return
    if finding.evidence is Evidence.MISMATCH:
        code = "run_evidence_mismatch"
        problem = f"its run {version.run_id} logged another value"  # who may read it knows which
    else:
        code = "run_evidence_missing"
        problem = "it names no run of this server that logged the metric"
    message = (
        f"Benchmark value {shown(tags.benchmark_value)} of {tags.benchmark_metric} has no run "
        f"evidence, which this registry requires: {problem}. Log the metric in the run that the "
        "version comes from, and register that value."
    )
    subject = f"Model {shown(version.id.name)} version {version.id.version}"
    raise TagsRefused([Violation(BENCHMARK_VALUE_TAG, code, message)], subject)
