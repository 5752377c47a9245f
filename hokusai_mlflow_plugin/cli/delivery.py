"""``hokusai-mlflow rewards dispatch`` and ``replay``: the delivery of reward events."""

from __future__ import annotations

import logging
import time
from typing import Any

import click
from sqlalchemy import Engine

from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_database,
    workspace_option,
)
from hokusai_mlflow_plugin.cli.output import counted, reporting_errors
from hokusai_mlflow_plugin.cli.repeating import back_off_s, repeat
from hokusai_mlflow_plugin.db.rewards import receiver_state, replays
from hokusai_mlflow_plugin.domain.errors import ReceiverGone, ReceiverUnresolved, SettingsError
from hokusai_mlflow_plugin.settings import Settings

_logger = logging.getLogger(__name__)


@click.command()
@database_argument
@click.option("--once", is_flag=True, help="Deliver what is due, then stop.")
@click.option("--resume", is_flag=True, help="Deliver again to a receiver that answered 410.")
@click.option(
    "--interval",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0.05),
    help="Seconds between two looks for new events.",
)
@reporting_errors
def dispatch(database_uri: str | None, once: bool, resume: bool, interval: float) -> None:
    """Post reward events to HOKUSAI_REWARD_WEBHOOK_URL, at least once each.

    Any number of these may run. Signed by the Standard Webhooks specification with
    HOKUSAI_REWARD_WEBHOOK_SECRETS. Without --once it goes on when the database was away, and waits
    for the receiver's name to resolve. A receiver that answers 410 ends it, with exit status 1.

    \b
    Example:
      HOKUSAI_REWARD_WEBHOOK_URL=https://rewards.example/hook \\
      HOKUSAI_REWARD_WEBHOOK_SECRETS=whsec_… \\
      hokusai-mlflow rewards dispatch postgresql://user@host/mlflow
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Its warnings quote the URL, which may hold a secret.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    with open_database(database_uri) as (engine, settings):
        dispatcher = _dispatcher(engine, settings, is_patient=not once)
        if resume:
            with engine.begin() as connection:
                receiver_state.resume(connection)
        if once:
            click.echo(f"{counted(_deliver(dispatcher), 'attempt')} made.")
            return
        repeat(lambda: _deliver(dispatcher), interval)


def _deliver(dispatcher: Any) -> int:
    try:
        return int(dispatcher.deliver_due())
    except ReceiverGone as gone:
        _logger.error("%s", gone)
        raise click.ClickException(str(gone)) from None


def _dispatcher(engine: Engine, settings: Settings, *, is_patient: bool) -> Any:
    # Importing MLflow's guard takes a second; the help texts do without.
    from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver  # noqa: PLC0415

    if settings.webhook_url is None or not settings.webhook_secrets:
        raise SettingsError(
            "Set HOKUSAI_REWARD_WEBHOOK_URL and HOKUSAI_REWARD_WEBHOOK_SECRETS to deliver events."
        )
    session = _session(settings, settings.webhook_url, is_patient=is_patient)
    receiver = Receiver(settings.webhook_url, settings.webhook_secrets, settings.webhook_timeout_s)
    return Dispatcher(engine, receiver, settings.retry, session)


def _session(settings: Settings, url: str, *, is_patient: bool) -> Any:
    """What posts to the receiver; the patient wait until its name resolves."""
    from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session  # noqa: PLC0415

    failures = 0
    while True:
        try:
            return webhook_session(
                url,
                allow_private=settings.webhook_allow_private,
                ca_file=settings.webhook_ca_file,
                proxy=settings.webhook_proxy,
            )
        except ReceiverUnresolved as error:
            if not is_patient:
                raise
            wait_s = back_off_s(failures)
            failures += 1
            _logger.warning("%s Next look in %g seconds.", error, wait_s)
            time.sleep(wait_s)


@click.command()
@click.argument("event_id", metavar="ID")
@database_argument
@workspace_option
@reporting_errors
def replay(event_id: str, database_uri: str | None, workspace: str) -> None:
    """Deliver an event again, however its delivery ended; it keeps its id.

    \b
    Example:
      hokusai-mlflow rewards replay 5f0c… sqlite:///hokusai.db
    """
    with (
        open_database(database_uri) as (engine, _settings),
        engine.begin() as connection,
    ):
        now_ms = time.time_ns() // 1_000_000
        found = replays.replay(connection, workspace, event_id, now_ms)
    if not found:
        raise click.ClickException(f"No event of workspace {workspace} has id {event_id}.")
    click.echo("It is due now.")
