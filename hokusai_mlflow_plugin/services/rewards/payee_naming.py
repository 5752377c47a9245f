"""The payees of a DeltaOne are named after the fact (R19)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hokusai_mlflow_plugin.db.index import live_versions
from hokusai_mlflow_plugin.db.rewards import correction_rows, review_rows, settlement_rows
from hokusai_mlflow_plugin.domain.contributors import (
    CONTRIBUTORS_TAG,
    check_contributors,
    contributors_of,
)
from hokusai_mlflow_plugin.domain.errors import (
    CorrectionRefused,
    InvalidRequest,
    ReviewerNotAllowed,
)
from hokusai_mlflow_plugin.domain.reward_events import Correction
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.services.rewards import ledger
from hokusai_mlflow_plugin.services.rewards.authors import is_author
from hokusai_mlflow_plugin.services.rewards.corrections import (
    Because,
    achieved,
    lock_standing,
    write,
)
from hokusai_mlflow_plugin.services.rewards.history_entries import (
    Action,
    decision_of_event,
    put_on_record,
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
        CorrectionRefused: It has payees, was settled or revoked, or is a correction itself.
        ReviewerNotAllowed: It was reviewed, and who names them made its version.
    """
    tags = {CONTRIBUTORS_TAG: contributors}
    if violation := check_contributors(tags):
        raise InvalidRequest(violation.message)
    payees = [ledger.contributor_of(each) for each in contributors_of(tags)]
    if unpayable := [each["contributor"] for each in payees if not each["payable"]]:
        raise InvalidRequest(f"Nobody can be paid at {unpayable[0]}.")
    live_versions.begin_writing(connection)
    row, decision = achieved(connection, workspace, event_id)
    decision_of_event(connection, row)
    earned = lock_standing(connection, row, decision)
    review = review_rows.read(connection, workspace, event_id)
    if review.is_held:
        raise CorrectionRefused(
            "This event was not approved yet: review it first, then name payees."
        )
    # Else a second person would have approved a reward for nobody, and he pays himself.
    if review.is_asked and is_author(connection, earned.decision, review, because.actor):
        raise ReviewerNotAllowed("name its payees")
    named = correction_rows.read_correction(
        connection, workspace, event_id, Correction.PAYEES_NAMED
    )
    if named is not None or any(each["payable"] for each in earned.data["contributors"]):
        raise CorrectionRefused(
            "This event has payees already. To pay others, revoke it and register the version "
            "again as a new one."
        )
    _require_unsettled(connection, workspace, event_id)
    data = {
        **{name: earned.data[name] for name in PAYEES_SAME},
        "event": earned.named,
        "contributors": payees,
        "reason": because.reason,
    }
    kind = Correction.PAYEES_NAMED
    event = write(connection, earned.series, earned.decision, data, because, kind, earned)
    put_on_record(
        connection,
        Action.PAYEES_NAMED,
        earned.row,
        earned.decision,
        because.actor,
        event["timestamp"],
        event_id=event_id,
        contributors=[each["contributor"] for each in payees],
        reason=because.reason,
    )
    return event


def _require_unsettled(connection: Connection, workspace: str, event_id: str) -> None:
    """A reward that was paid, or refused for good, is not announced as payable once more.

    Under the ledger's lock, so that no settlement comes between.
    """
    ledger.lock(connection, workspace)
    settled = settlement_rows.read(connection, workspace, event_id)
    if settled is not None:
        raise CorrectionRefused(
            f"This event was settled already, as {settled['status']} with reference "
            f"{shown(settled['reference'])}: whoever is named now would be paid besides. To pay "
            "others, revoke it and register the version again as a new one."
        )
