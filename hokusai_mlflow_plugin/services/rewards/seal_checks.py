"""Whether the rows that no event's hash covers are as the servers wrote them, and all there."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, Table

from hokusai_mlflow_plugin.db.index import take_over
from hokusai_mlflow_plugin.db.rewards import sealed_rows
from hokusai_mlflow_plugin.db.schema.tables import (
    checkpoints,
    corrections,
    deliveries,
    delivery_attempts,
    history,
    model_names,
    paid_runs,
    payee_totals,
    policy_findings,
    reviews,
    settlements,
    state,
    token_publishers,
    tokens,
    verifications,
)
from hokusai_mlflow_plugin.db.seals import is_sealed
from hokusai_mlflow_plugin.services.rewards.ledger_faults import Code, LedgerFault

_SEALED: tuple[tuple[Code, Table, str], ...] = (
    ("delivery_edited", deliveries, "The delivery of event {sequence}"),
    ("attempt_edited", delivery_attempts, "Attempt {attempt} at event {sequence}"),
    ("checkpoint_edited", checkpoints, "The checkpoint at event {sequence}"),
    ("paid_run_edited", paid_runs, "The note that a reward rests on run {run_id}"),
    ("payee_totals_edited", payee_totals, "What {address} earned under {token_id}"),
    ("correction_edited", corrections, "What was kept of correction {event_id}"),
    ("review_edited", reviews, "What was kept of the review of event {event_id}"),
    ("settlement_edited", settlements, "The settlement of event {event_id}"),
    ("finding_edited", policy_findings, "The finding on model {name} version {version}"),
    ("model_name_edited", model_names, "The note of the name {name} that a model gave up"),
    ("verification_edited", verifications, "What the last verification found"),
    ("token_edited", tokens, "What is known of token {token_id}"),
    ("publisher_edited", token_publishers, "That {publisher} may publish under {token_id}"),
    ("history_edited", history, "Entry {entry_id} of the history"),
    ("state_edited", state, "What the registry's state says under {key}"),
)
"""Decisions are sealed too; ``decision_checks`` looks at them while it has them."""


def seal_faults(connection: Connection) -> Iterator[LedgerFault]:
    """Every row, decisions apart, that does not have the content it was written with."""
    for code, table, subject in _SEALED:
        for row in sealed_rows.read_rows(connection, table):
            if not is_sealed(table, row):
                yield _fault(code, row, subject)


def state_faults(connection: Connection) -> Iterator[LedgerFault]:
    """What the registry's state misses, or is missed by it."""
    if not take_over.is_recorded(connection):
        message = "The registry's state does not say whether older data was taken over."
        yield LedgerFault("", 0, "state_missing", message)
    elif not take_over.is_pending(connection) and take_over.catalogue(connection) is None:
        message = "The registry's state does not say which metric catalogue it is indexed with."
        yield LedgerFault("", 0, "state_missing", message)
    for ledger_id in sealed_rows.unmarked_ledgers(connection):
        message = f"The registry's state does not know ledger {ledger_id}."
        yield LedgerFault("", 0, "state_missing", message)
    for ledger_id in sealed_rows.missing_ledgers(connection):
        message = f"Ledger {ledger_id} was begun, and is gone."
        yield LedgerFault("", 0, "ledger_removed", message)


def _fault(code: Code, row: RowMapping, subject: str) -> LedgerFault:
    told = dict(row)
    message = f"{subject.format(**told)} is not what the servers wrote."
    return LedgerFault(told.get("workspace", ""), told.get("sequence", 0), code, message)
