"""``hokusai-mlflow rewards``: the ledger of reward events and their delivery."""

from __future__ import annotations

from typing import Any

import click

from hokusai_mlflow_plugin.cli.checkpoints import checkpoint, keygen
from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_database,
    workspace_option,
)
from hokusai_mlflow_plugin.cli.corrections import payees, revoke
from hokusai_mlflow_plugin.cli.delivery import dispatch, replay
from hokusai_mlflow_plugin.cli.output import (
    counted,
    output_option,
    print_json,
    print_table,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.cli.settlement import review, settle, unsettled
from hokusai_mlflow_plugin.cli.verification import export, verify
from hokusai_mlflow_plugin.db.rewards import delivery_state, receiver_state, unsealed_rows
from hokusai_mlflow_plugin.domain.errors import ReceiverGone
from hokusai_mlflow_plugin.domain.reward_events import EventState
from hokusai_mlflow_plugin.services.queries.pagination import MAX_RESULTS
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards import catching_up


@click.group()
def rewards() -> None:
    """Reward events: list, verify, deliver, correct, review, settle, sign.

    A database is given with or without 'hokusai+'; by default MLFLOW_REGISTRY_STORE_URI, else
    MLFLOW_BACKEND_STORE_URI, else the one in this folder.
    """


@rewards.command("list")
@database_argument
@click.option("--after", default=0, help="Only events after this sequence number.")
@click.option(
    "--max-results",
    default=100,
    show_default=True,
    type=click.IntRange(1, MAX_RESULTS),
    help="How many at most.",
)
@click.option("--token-id", help="Only events of this token.")
@click.option(
    "--state",
    type=click.Choice([each.value for each in EventState]),
    help="Only events that stand so now.",
)
@workspace_option
@output_option
@reporting_errors
def list_rewards(
    database_uri: str | None,
    after: int,
    max_results: int,
    token_id: str | None,
    state: str | None,
    workspace: str,
    as_json: bool,
) -> None:
    """List reward events in commit order, and how they and their delivery stand.

    \b
    Example:
      hokusai-mlflow rewards list sqlite:///hokusai.db --after 40
    """
    with (
        open_database(database_uri) as (engine, _settings),
        engine.connect() as connection,
    ):
        page = list_events(connection, workspace, after, max_results, token_id, state)
        found = page["reward_events"]
        sequences = [event["sequence"] for event in found]
        deliveries = delivery_state.read_deliveries(connection, workspace, sequences)
        is_stopped = receiver_state.stopped_mark(connection) is not None
    for event in found:
        event["state"] = page["states"][event["id"]]
        event["delivery"] = _delivery(deliveries.get(event["sequence"]))
    if as_json:
        print_json({"reward_events": found, "is_stopped": is_stopped})
        return
    if is_stopped:
        click.echo(str(ReceiverGone()), err=True)
    print_table(
        ("sequence", "id", "type", "token", "model", "points", "time", "state", "delivery"),
        (
            [
                event["sequence"],
                event["id"],
                event["type"].removeprefix("hokusai."),
                event["token_id"],
                f"{event['data']['name']} v{event['data']['version']}",
                event["data"].get("improvement_pp"),
                time_text(event["timestamp"]),
                event["state"],
                f"{event['delivery']['status']} ({event['delivery']['attempts']})",
            ]
            for event in found
        ),
    )


@rewards.command()
@database_argument
@reporting_errors
def seal(database_uri: str | None) -> None:
    """Seal what servers of release 0.1.0 wrote beside newer ones; once, when none is left.

    Rows without a seal only: one with a wrong seal stays a fault, and so does what contradicts
    other rows. Look at what 'rewards verify' names first.

    \b
    Example:
      hokusai-mlflow rewards seal sqlite:///hokusai.db
    """
    with open_database(database_uri) as (engine, _settings):
        with engine.begin() as connection:
            counts = unsealed_rows.seal_unsealed(connection)
        catching_up.catch_up(engine)
    for table, count in counts.items():
        click.echo(f"{table}: {counted(count, 'row')} sealed.")
    if not counts:
        click.echo("Every row has its seal.")


def _delivery(row: Any) -> dict[str, Any]:
    if row is None:
        return {"status": "unknown", "attempts": 0}
    return {
        "status": row["status"],
        "attempts": row["attempts"],
        "next_attempt_timestamp": row["next_attempt_time"],
        "http_status": row["http_status"],
        "error": row["error"],
    }


for command in (
    verify,
    dispatch,
    replay,
    revoke,
    payees,
    review,
    settle,
    unsettled,
    checkpoint,
    keygen,
    export,
):
    rewards.add_command(command)
