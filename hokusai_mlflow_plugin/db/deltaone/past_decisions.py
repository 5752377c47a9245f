"""What is on record about one version, over all its decisions: a reward rests on them for good.

The decision in force alone would not do. It changes with every amendment, it is gone from the
index where another program wrote the tags, and MLflow moves versions to another workspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.keys import SeriesId
from hokusai_mlflow_plugin.db.schema.tables import decisions, ledgers
from hokusai_mlflow_plugin.domain.delta import Outcome


@dataclass(frozen=True)
class PastDecision:
    """A decision that was taken on a version."""

    series: SeriesId
    decision_id: str
    outcome: str


def decisions_on(connection: Connection, version: Version) -> Sequence[PastDecision]:
    """Every decision on a version, also those of a workspace that it was moved from.

    Of the other workspaces those are asked that have a ledger: elsewhere nothing was rewarded.
    """
    workspaces = {version.id.workspace, *connection.scalars(select(ledgers.c.workspace))}
    rows = connection.execute(
        select(
            decisions.c.workspace,
            decisions.c.token_id,
            decisions.c.benchmark_metric,
            decisions.c.decision_id,
            decisions.c.outcome,
        ).where(
            decisions.c.workspace.in_(sorted(workspaces)),
            decisions.c.name == version.id.name,
            decisions.c.version == version.id.version,
            decisions.c.creation_time == version.creation_time_ms,
        )
    )
    return [
        PastDecision(SeriesId(workspace, token_id, metric), decision_id, outcome)
        for workspace, token_id, metric, decision_id, outcome in rows
    ]


def is_measured_against(connection: Connection, taken: Sequence[PastDecision]) -> bool:
    """Whether a DeltaOne was measured against one of these decisions."""
    against = [
        and_(
            decisions.c.workspace == each.series.workspace,
            decisions.c.baseline_decision_id == each.decision_id,
        )
        for each in taken
    ]
    query = select(decisions.c.decision_id).where(
        decisions.c.outcome == Outcome.ACHIEVED.value, or_(*against)
    )
    return bool(taken) and connection.scalars(query.limit(1)).first() is not None
