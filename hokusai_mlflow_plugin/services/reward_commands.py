"""What the routes about rewards change, by route.

Each takes a connection that may write, a workspace, the registry's settings, the authenticated user
(None without users) and its parameters by name. A database is corrected in the same way by the
commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.domain.reward_events import SettlementStatus
from hokusai_mlflow_plugin.services.rewards import (
    payee_naming,
    rebasing,
    reviewing,
    revocation,
    settlement,
)
from hokusai_mlflow_plugin.services.rewards.corrections import Because
from hokusai_mlflow_plugin.settings import Settings

Json = dict[str, Any]
Command = Callable[..., Json]


def revoke(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    id: str,
    reason: str,
) -> Json:
    """Take back a DeltaOne; ``reward_event`` is the revocation."""
    event = revocation.revoke(connection, workspace, id, Because(reason, actor))
    return {"reward_event": event}


def name_payees(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    id: str,
    contributors: Sequence[Mapping[str, Any]],
    reason: str,
) -> Json:
    """Name the payees of a DeltaOne that had none; ``reward_event`` is the correction."""
    because, text = Because(reason, actor), json.dumps(contributors)
    return {"reward_event": payee_naming.name_payees(connection, workspace, id, text, because)}


def rebase(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    token_id: str,
    benchmark_metric: str,
    reason: str,
) -> Json:
    """Have a series begin anew with the best value left; ``reward_event`` is the correction."""
    because = Because(reason, actor)
    event = rebasing.rebase(
        connection, workspace, token_id, benchmark_metric, because, settings.catalogue
    )
    return {"reward_event": event}


def approve(
    connection: Connection, workspace: str, settings: Settings, actor: str | None, *, id: str
) -> Json:
    """Have an event delivered; ``reward_event`` is that event."""
    return {"reward_event": reviewing.approve(connection, workspace, id, actor)}


def reject(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    id: str,
    reason: str,
) -> Json:
    """Revoke an event that is in review; ``reward_event`` is the revocation."""
    return {"reward_event": reviewing.reject(connection, workspace, id, Because(reason, actor))}


def settle(
    connection: Connection,
    workspace: str,
    settings: Settings,
    actor: str | None,
    *,
    id: str,
    status: str,
    reference: str,
) -> Json:
    """Keep what was done about an event; ``settlement`` as :func:`settlement.settle` has it."""
    done = SettlementStatus(status)
    return {"settlement": settlement.settle(connection, workspace, id, done, reference, actor)}


COMMANDS: Mapping[str, Command] = {
    "reward-events/revoke": revoke,
    "reward-events/name-payees": name_payees,
    "series/rebase": rebase,
    "reward-events/approve": approve,
    "reward-events/reject": reject,
    "reward-events/settle": settle,
}
