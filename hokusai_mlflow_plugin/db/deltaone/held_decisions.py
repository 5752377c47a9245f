"""What a lock holds: the decision on a version that a reward rests on.

Source: R5 and R10. Asked only where a write would otherwise be refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from hokusai_mlflow_plugin.db.deltaone.standing import is_revoked
from hokusai_mlflow_plugin.db.index.live_versions import Version
from hokusai_mlflow_plugin.db.schema.tables import decisions, reward_events
from hokusai_mlflow_plugin.domain.delta import Outcome
from hokusai_mlflow_plugin.domain.reward_events import EventType


def held_decision(connection: Connection, version: Version) -> Mapping[str, Any] | None:
    """The decision that was in force on a version when a DeltaOne came to rest on it, if one did.

    Not the one that was measured against: a head stays with the value that an amendment took away
    before the lock, and what is locked is what the tags said then.

    Only one of the version's workspace: of a version that was moved, nothing can come back.
    """
    is_of_version = and_(
        decisions.c.workspace == version.id.workspace,
        decisions.c.name == version.id.name,
        decisions.c.version == version.id.version,
        decisions.c.creation_time == version.creation_time_ms,
    )
    above = decisions.alias()
    query = (
        select(func.min(above.c.decided_time))
        .select_from(
            decisions.join(
                above,
                and_(
                    above.c.workspace == decisions.c.workspace,
                    above.c.baseline_decision_id == decisions.c.decision_id,
                ),
            )
        )
        .where(is_of_version, above.c.outcome == Outcome.ACHIEVED.value, ~is_revoked(above))
    )
    # A revoked one stays so, whatever was changed and set back.
    is_revocation = decisions.c.outcome == Outcome.REVOKED.value
    is_achieved = or_(decisions.c.outcome == Outcome.ACHIEVED.value, is_revocation)
    is_held: ColumnElement[bool] = is_achieved
    if (locked_time := connection.scalar(query)) is not None:
        # One that supersedes itself only carried a head (past_heads.past_decision): what it says
        # was never what the tags said.
        was_in_force = or_(
            decisions.c.supersedes.is_(None), decisions.c.supersedes != decisions.c.decision_id
        )
        is_held = or_(is_achieved, and_(was_in_force, decisions.c.decided_time <= locked_time))
    held = (
        select(decisions)
        .where(is_of_version, is_held)
        .order_by(is_revocation.desc(), is_achieved.desc(), decisions.c.decided_time.desc())
        .limit(1)
    )
    row = connection.execute(held).mappings().one_or_none()
    return None if row is None else dict(row)


def paid_contributors(connection: Connection, decision: Mapping[str, Any]) -> list[Any] | None:
    """The contributors in the event of a DeltaOne; None where the decision earned nothing.

    Of one that was revoked, too: its tags stay as they were.
    """
    is_revoked_one = decision["outcome"] == Outcome.REVOKED.value
    earned = decision["supersedes"] if is_revoked_one else decision["decision_id"]
    query = select(reward_events.c.data).where(
        reward_events.c.workspace == decision["workspace"],
        reward_events.c.token_id == decision["token_id"],
        reward_events.c.decision_id == earned,
        reward_events.c.type == EventType.ACHIEVED.value,
    )
    data = connection.scalars(query).first()
    return None if data is None else list(json.loads(data)["contributors"])
