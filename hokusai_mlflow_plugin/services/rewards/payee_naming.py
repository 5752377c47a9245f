"""The payees of a DeltaOne are named after the fact (R19)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.rewards import correction_rows, review_rows
from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTORS_TAG,
    check_contributors,
    contributors_of,
)
from hokusai_mlflow_plugin.domain.errors import CorrectionRefused, InvalidRequest
from hokusai_mlflow_plugin.domain.reward_events import Correction
from hokusai_mlflow_plugin.services.rewards import ledger
from hokusai_mlflow_plugin.services.rewards.corrections import (
    Because,
    achieved,
    lock_standing,
    write,
)

Json = dict[str, Any]

PAYEES_SAME = ("workspace", "token_id", "name", "version", "benchmark_metric", "improvement_pp")
"""What an event that names payees repeats of the one that they are paid for."""


def name_payees(
    connection: Connection, workspace: str, event_id: str, contributors: str, because: Because
) -> Json:
    """Name the payees of a standing DeltaOne that had nobody who can be paid.

    Args:
        connection: A connection that may write; the caller commits.
        workspace: That of the event.
        event_id: Of the DeltaOne.
        contributors: As tag ``contributors`` has them (R11).
        because: Why, and who.

    Returns:
        The event of the correction.

    Raises:
        InvalidRequest: The contributors cannot be used.
        EventNotFound: There is no such event.
        CorrectionRefused: It has payees, was revoked, or is a correction itself.
    """
    tags = {CONTRIBUTORS_TAG: contributors}
    if violation := check_contributors(tags):
        raise InvalidRequest(violation.message)
    payees = [ledger.contributor_of(each) for each in contributors_of(tags)]
    if unpayable := [each["contributor"] for each in payees if not each["payable"]]:
        raise InvalidRequest(f"Nobody can be paid at {unpayable[0]}.")
    live_versions.begin_writing(connection)
    earned = lock_standing(connection, *achieved(connection, workspace, event_id))
    if review_rows.read(connection, workspace, event_id).is_held:
        raise CorrectionRefused(
            "This event was not approved yet: review it first, then name payees."
        )
    named = correction_rows.read_correction(
        connection, workspace, event_id, Correction.PAYEES_NAMED
    )
    if named is not None or any(each["payable"] for each in earned.data["contributors"]):
        raise CorrectionRefused(
            "This event has payees already. To pay others, revoke it and register the version "
            "again as a new one."
        )
    data = {
        **{name: earned.data[name] for name in PAYEES_SAME},
        "event": earned.named,
        "contributors": payees,
        "reason": because.reason,
    }
    kind = Correction.PAYEES_NAMED
    return write(connection, earned.series, earned.decision, data, because, kind, earned)
