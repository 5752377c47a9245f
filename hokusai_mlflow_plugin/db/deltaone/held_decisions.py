"""What a lock holds: the decision on a version that a reward rests on.

Source: R5 and R10. Asked only where a write would otherwise be refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, exists, or_, select

from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.schema.tables import decisions, reward_events
from hokusai_mlflow_plugin.domain.delta import Outcome


def held_decision(connection: Connection, version: Version) -> Mapping[str, Any] | None:
    """The decision that a DeltaOne is, or was measured against; its own comes first.

    Only one of the version's workspace: of a version that was moved, nothing can come back.
    """
    above = decisions.alias()
    is_measured = exists().where(
        above.c.workspace == decisions.c.workspace,
        above.c.baseline_decision_id == decisions.c.decision_id,
        above.c.outcome == Outcome.ACHIEVED.value,
    )
    is_achieved = decisions.c.outcome == Outcome.ACHIEVED.value
    query = (
        select(decisions)
        .where(
            and_(
                decisions.c.workspace == version.id.workspace,
                decisions.c.name == version.id.name,
                decisions.c.version == version.id.version,
                decisions.c.creation_time == version.creation_time_ms,
            ),
            or_(is_achieved, is_measured),
        )
        .order_by(is_achieved.desc(), decisions.c.decided_time)
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def paid_contributors(connection: Connection, decision: Mapping[str, Any]) -> list[Any] | None:
    """The contributors in the event of a DeltaOne; None where the decision earned nothing."""
    query = select(reward_events.c.data).where(
        reward_events.c.workspace == decision["workspace"],
        reward_events.c.token_id == decision["token_id"],
        reward_events.c.decision_id == decision["decision_id"],
    )
    data = connection.scalars(query).first()
    return None if data is None else list(json.loads(data)["contributors"])
