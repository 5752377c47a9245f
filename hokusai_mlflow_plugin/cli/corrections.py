"""Corrections by an administrator: ``rewards revoke``, ``rewards payees``, ``series rebase``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_database,
    workspace_option,
)
from hokusai_mlflow_plugin.cli.output import output_option, print_json, reporting_errors
from hokusai_mlflow_plugin.services.rewards import payee_naming, rebasing, revocation
from hokusai_mlflow_plugin.services.rewards.corrections import Because
from hokusai_mlflow_plugin.settings import Settings

T = TypeVar("T")

reason_option = click.option(
    "--reason", required=True, help="Why, in a sentence: it is kept, and sent to the receiver."
)


@click.command()
@click.argument("event_id", metavar="EVENT_ID")
@database_argument
@reason_option
@workspace_option
@output_option
@reporting_errors
def revoke(
    event_id: str, database_uri: str | None, reason: str, workspace: str, as_json: bool
) -> None:
    """Take back the latest DeltaOne of a series: nothing is owed for it any more.

    The value to beat goes back to what it was, and an event tells the receiver. The version
    stays as it is and counts for nothing; register it again, as a new one, with what is right.

    \b
    Example:
      hokusai-mlflow rewards revoke 5f0c… sqlite:///hokusai.db --reason "typed 0.95 for 0.59"
    """
    event = in_transaction(
        database_uri,
        lambda connection, _settings: revocation.revoke(
            connection, workspace, event_id, Because(reason)
        ),
    )
    data = event["data"]
    _report(
        event,
        as_json,
        f"Event {data['event']['sequence']} is revoked by event {event['sequence']}. The value to "
        f"beat before it was {data['baseline']['value']}.",
    )


@click.command()
@click.argument("event_id", metavar="EVENT_ID")
@database_argument
@click.option(
    "--contributors",
    required=True,
    metavar="JSON",
    help="As tag contributors: addresses and weights, in basis points that sum to 10000.",
)
@reason_option
@workspace_option
@output_option
@reporting_errors
def payees(
    event_id: str,
    database_uri: str | None,
    contributors: str,
    reason: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Name who is paid for a DeltaOne that had nobody who can be paid.

    \b
    Example:
      hokusai-mlflow rewards payees 5f0c… sqlite:///hokusai.db --reason "forgotten" \\
      --contributors '[{"address": "0x742d35cc6634c0532925a3b844bc9e7595f5b4e1", "weight": 10000}]'
    """
    event = in_transaction(
        database_uri,
        lambda connection, _settings: payee_naming.name_payees(
            connection, workspace, event_id, contributors, Because(reason)
        ),
    )
    named = event["data"]["event"]["sequence"]
    _report(event, as_json, f"Event {event['sequence']} names the payees of event {named}.")


@click.group()
def series() -> None:
    """Series: the values of one token and one metric that are compared with each other."""


@series.command()
@click.argument("token_id", metavar="TOKEN")
@click.argument("metric", metavar="METRIC")
@database_argument
@reason_option
@workspace_option
@output_option
@reporting_errors
def rebase(
    token_id: str,
    metric: str,
    database_uri: str | None,
    reason: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Have a series begin anew with the best value of the versions that are left.

    For a value to beat that nobody earned and that was a mistake: delete or amend the version that
    set it, then run this.

    \b
    Example:
      hokusai-mlflow series rebase IMG-001 accuracy sqlite:///hokusai.db --reason "typo"
    """
    event = in_transaction(
        database_uri,
        lambda connection, settings: rebasing.rebase(
            connection, workspace, token_id, metric, Because(reason), settings.catalogue
        ),
    )
    data = event["data"]
    _report(
        event,
        as_json,
        f"The value to beat is {data['value']} now, of {data['name']} version {data['version']}; "
        f"it was {data['previous']['value']}.",
    )


def in_transaction(database_uri: str | None, change: Callable[[Connection, Settings], T]) -> T:
    """Make one change to a registry's database, and make it again where it lost a race."""
    # Importing MLflow takes a second; the help texts do without.
    from hokusai_mlflow_plugin.store.retries import begin_again  # noqa: PLC0415

    with open_database(database_uri) as (engine, settings):
        # Under REPEATABLE READ MySQL would not show what was committed before it had its locks.
        is_mysql = engine.dialect.name in ("mysql", "mariadb")
        options = {"isolation_level": "READ COMMITTED"} if is_mysql else {}

        def once() -> T:
            with engine.execution_options(**options).begin() as connection:
                return change(connection, settings)

        return begin_again(once)


def _report(event: Mapping[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print_json(event)
    else:
        click.echo(text)
