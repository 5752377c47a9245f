"""``hokusai-mlflow rewards review``, ``settle`` and ``unsettled``: from achieved to paid (R20)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import click

from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_database,
    workspace_option,
)
from hokusai_mlflow_plugin.cli.corrections import in_transaction, reason_option
from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.domain.reward_events import EventState, SettlementStatus
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards import reviewing, settlement
from hokusai_mlflow_plugin.services.rewards.corrections import Because

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PAGE = 1000


def _duration_ms(_context: Any, _parameter: Any, text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise click.BadParameter("use a number and a unit, such as 36h or 7d")
    return int(found[1]) * _UNITS_S[found[2]] * 1000


@click.group()
def review() -> None:
    """Events that wait for a second pair of eyes, with HOKUSAI_REWARD_REVIEW=manual."""


@review.command("list")
@database_argument
@workspace_option
@output_option
@reporting_errors
def list_in_review(database_uri: str | None, workspace: str, as_json: bool) -> None:
    """List the events that wait for a review, oldest first.

    \b
    Example:
      hokusai-mlflow rewards review list sqlite:///hokusai.db
    """
    found: list[dict[str, Any]] = []
    after: int | None = 0
    with open_database(database_uri) as (engine, _settings), engine.connect() as connection:
        while after is not None:
            page = list_events(
                connection, workspace, after, _PAGE, state=EventState.IN_REVIEW.value
            )
            found += page["reward_events"]
            is_full = len(page["reward_events"]) == _PAGE
            after = found[-1]["sequence"] if is_full else page.get("next_after")
    _print_events(found, as_json)


@review.command()
@click.argument("event_id", metavar="EVENT_ID")
@database_argument
@workspace_option
@reporting_errors
def approve(event_id: str, database_uri: str | None, workspace: str) -> None:
    """Have an event delivered.

    Whoever has the database is trusted; on a server with users the route refuses who registered the
    version, or wrote its tags.

    \b
    Example:
      hokusai-mlflow rewards review approve 5f0c… sqlite:///hokusai.db
    """
    event = in_transaction(
        database_uri,
        lambda connection, _settings: reviewing.approve(connection, workspace, event_id, None),
    )
    click.echo(f"Event {event['sequence']} is approved, and due now.")


@review.command()
@click.argument("event_id", metavar="EVENT_ID")
@database_argument
@reason_option
@workspace_option
@reporting_errors
def reject(event_id: str, database_uri: str | None, reason: str, workspace: str) -> None:
    """Revoke an event, so that it is never delivered.

    \b
    Example:
      hokusai-mlflow rewards review reject 5f0c… sqlite:///hokusai.db --reason "wrong test set"
    """
    event = in_transaction(
        database_uri,
        lambda connection, _settings: reviewing.reject(
            connection, workspace, event_id, Because(reason)
        ),
    )
    rejected = event["data"]["event"]["sequence"]
    click.echo(f"Event {rejected} is rejected, and revoked by event {event['sequence']}.")


@click.command()
@click.argument("event_id", metavar="EVENT_ID")
@database_argument
@click.option(
    "--status",
    type=click.Choice([each.value for each in SettlementStatus]),
    default=SettlementStatus.PAID.value,
    show_default=True,
    help="What was done about it.",
)
@click.option("--reference", required=True, help="E.g. the hash of the transaction.")
@workspace_option
@output_option
@reporting_errors
def settle(
    event_id: str,
    database_uri: str | None,
    status: str,
    reference: str,
    workspace: str,
    as_json: bool,
) -> None:
    """Keep what was done about an event; the same again changes nothing, another is refused.

    \b
    Example:
      hokusai-mlflow rewards settle 5f0c… sqlite:///hokusai.db --reference 0x9a3f…
    """
    done = in_transaction(
        database_uri,
        lambda connection, _settings: settlement.settle(
            connection, workspace, event_id, SettlementStatus(status), reference, None
        ),
    )
    if as_json:
        print_json(done)
        return
    click.echo(f"Event {done['sequence']} is settled as {done['status']}: {done['reference']}.")
    if done["state"] == EventState.REVOKED.value:
        click.echo("It was revoked: what was paid for it is not owed.", err=True)


@click.command()
@database_argument
@click.option(
    "--older-than",
    default="0s",
    show_default=True,
    callback=_duration_ms,
    metavar="DURATION",
    help="Only events of so long ago, such as 36h or 7d.",
)
@workspace_option
@output_option
@reporting_errors
def unsettled(database_uri: str | None, older_than: int, workspace: str, as_json: bool) -> None:
    """List events that stand and of which no settlement is known, oldest first.

    \b
    Example:
      hokusai-mlflow rewards unsettled sqlite:///hokusai.db --older-than 7d
    """
    found: list[dict[str, Any]] = []
    with open_database(database_uri) as (engine, _settings), engine.connect() as connection:
        after = 0
        while page := settlement.unsettled(connection, workspace, older_than, after, _PAGE):
            found += page
            after = page[-1]["sequence"]
    _print_events(found, as_json)


def _print_events(events: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"reward_events": list(events)})
        return
    print_table(
        ("sequence", "id", "token", "model", "points", "time"),
        (
            [
                event["sequence"],
                event["id"],
                event["token_id"],
                f"{event['data']['name']} v{event['data']['version']}",
                event["data"]["improvement_pp"],
                time_text(event["timestamp"]),
            ]
            for event in events
        ),
    )
