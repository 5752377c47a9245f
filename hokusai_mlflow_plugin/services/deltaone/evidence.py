"""What the tracking server knows of a value that a version claims.

Source: R10 and R14.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.deltaone import paid_runs
from hokusai_mlflow_plugin.db.deltaone.evidence import Logged, Sought
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.domain.delta import Evidence
from hokusai_mlflow_plugin.domain.errors import TagsRefused, Violation
from hokusai_mlflow_plugin.domain.lineage import logged_model_of
from hokusai_mlflow_plugin.domain.tags import TokenTags
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.domain.values import BENCHMARK_VALUE_TAG, stored_value
from hokusai_mlflow_plugin.services.deltaone.judge import Judge
from hokusai_mlflow_plugin.settings import Settings


@dataclass(frozen=True)
class Finding:
    """What the tracking server knows of a value."""

    evidence: Evidence
    logged: Logged | None = None
    """What was logged: the claimed value, or another one."""


def find_evidence(
    connection: Connection, judge: Judge, version: Version, tags: TokenTags
) -> Finding:
    """What the run or the logged model of a version logged for its metric, against its claim."""
    model_id = logged_model_of(version.source)
    if not version.run_id and model_id is None:
        return Finding(Evidence.CLAIMED)
    names = judge.settings.catalogue.names_of(tags.benchmark_metric)
    sought = Sought(version.id.workspace, version.run_id or None, model_id, names)
    found = judge.logged_values(connection, sought)
    if not found:
        return Finding(Evidence.CLAIMED)
    claimed = stored_value(tags.benchmark_value)
    equal = [logged for logged in found if Decimal(repr(logged.value)) == claimed]
    if not equal:
        return Finding(Evidence.MISMATCH, found[0])
    rests_on = {run_id for logged in equal for run_id in logged.rests_on}
    paid = paid_runs.paid_among(connection, rests_on)
    for logged in equal:
        if paid.isdisjoint(logged.rests_on):
            return Finding(Evidence.RUN_BACKED, logged)
    return Finding(Evidence.REUSED, equal[0])


def require_evidence(
    settings: Settings, version: Version, tags: TokenTags, finding: Finding, *, is_copy: bool
) -> None:
    """Refuse a value without run evidence where the registry requires it.

    A copy of a version (R10) has that of its origin, and earns nothing, so it may share a run.

    Raises:
        TagsRefused: It has none, or another value was logged, or a reward rests on the run.
    """
    if not settings.require_run_evidence or finding.evidence is Evidence.RUN_BACKED:
        return
    if finding.evidence is Evidence.REUSED and is_copy:
        return
    run = f"run {finding.logged.run_id}" if finding.logged else ""
    copied = ", ".join(finding.logged.origins) if finding.logged else ""
    its_origin = f", or on {copied}, of which it is a copy" if copied else ""
    code, problem = {
        Evidence.MISMATCH: (  # who may read the run knows which
            "run_evidence_mismatch",
            f"{run} logged another value",
        ),
        Evidence.REUSED: (
            "run_evidence_reused",
            f"a reward rests on {run} already{its_origin}, and a run backs only one",
        ),
    }.get(
        finding.evidence,
        (
            "run_evidence_missing",
            "it names no run of this server that logged the metric, or none that you may read",
        ),
    )
    message = (
        f"Benchmark value {shown(tags.benchmark_value)} of {tags.benchmark_metric} has no run "
        f"evidence, which this registry requires: {problem}. Log the metric in the run that the "
        "version comes from, and register that value."
    )
    subject = f"Model {shown(version.id.name)} version {version.id.version}"
    raise TagsRefused([Violation(BENCHMARK_VALUE_TAG, code, message)], subject)
