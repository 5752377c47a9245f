"""What is on record about one version, over all its decisions: a reward rests on them for good.

The decision in force alone would not do. It changes with every amendment, it is gone from the
index where another program wrote the tags, and MLflow moves versions to another workspace.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, exists, or_, select

from hokusai_mlflow_plugin.db.deltaone.standing import is_revoked
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.schema.tables import decisions, ledgers
from hokusai_mlflow_plugin.domain.delta import SETS_HEAD, Outcome


@dataclass(frozen=True)
class PastDecisions:
    """What every decision on a version comes to, those of workspaces it was moved from included."""

    elsewhere: bool = False
    """Whether one was taken in another workspace."""
    achieved: bool = False
    measured_against: bool = False
    """Whether a DeltaOne that stands was measured against one of them."""


def past_decisions(connection: Connection, version: Version) -> PastDecisions:
    """What is on record about a version; two statements, however often it was amended.

    Of the other workspaces those are asked that have a ledger: elsewhere nothing was rewarded.
    """
    own = version.id.workspace
    given = {
        "own_workspace": own,
        "workspaces": sorted({own, *connection.scalars(_WITH_LEDGER)}),
        "of_name": version.id.name,
        "of_version": version.id.version,
        "of_creation_time": version.creation_time_ms,
    }
    return PastDecisions(*map(bool, connection.execute(_ON_RECORD, given).one()))


def has_reason(
    connection: Connection, version: Version, beginning: str, endings: Collection[str]
) -> bool:
    """Whether a reason of a decision on a version begins or ends so, in its workspace of today."""
    query = select(decisions.c.decision_id).where(
        decisions.c.workspace == version.id.workspace,
        decisions.c.name == version.id.name,
        decisions.c.version == version.id.version,
        decisions.c.creation_time == version.creation_time_ms,
        or_(
            decisions.c.reason.startswith(beginning, autoescape=True),
            *(decisions.c.reason.endswith(each, autoescape=True) for each in endings),
        ),
    )
    return connection.scalars(query.limit(1)).first() is not None


def _exists(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """1 where a decision on the version is so; SQL Server selects no truth values."""
    return case((exists().where(_OF_VERSION, *conditions), 1), else_=0)


_WITH_LEDGER = select(ledgers.c.workspace)
_ACHIEVED = Outcome.ACHIEVED.value
_OF_VERSION = and_(
    decisions.c.workspace.in_(bindparam("workspaces", expanding=True)),
    decisions.c.name == bindparam("of_name"),
    decisions.c.version == bindparam("of_version"),
    decisions.c.creation_time == bindparam("of_creation_time"),
)
_over = decisions.alias("achieved_over")
_IS_MEASURED_AGAINST = exists().where(
    _over.c.workspace == decisions.c.workspace,
    _over.c.baseline_decision_id == decisions.c.decision_id,
    _over.c.outcome == _ACHIEVED,
    ~is_revoked(_over),
)
_ON_RECORD = select(
    _exists(decisions.c.workspace != bindparam("own_workspace")),
    _exists(decisions.c.outcome == _ACHIEVED),
    # Only what set a head can be measured against: few rows of many.
    _exists(decisions.c.outcome.in_(SETS_HEAD), _IS_MEASURED_AGAINST),
)
