"""``hokusai-mlflow rewards verify`` and ``export``: the ledger proved, here or elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from hokusai_mlflow_plugin.cli.connections import (
    database_argument,
    open_database,
    workspace_option,
)
from hokusai_mlflow_plugin.cli.files import read_note, whole_file
from hokusai_mlflow_plugin.cli.output import (
    counted,
    database_failure,
    masked,
    output_option,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.cli.reports import FirstRows, JsonRows
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.errors import InvalidNote
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey, read_public_key
from hokusai_mlflow_plugin.services.rewards import ledger_verification, verification_record
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import given_faults, opened
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault
from hokusai_mlflow_plugin.services.rewards.ledger_files import FileCheck, export_lines
from hokusai_mlflow_plugin.services.rewards.verification_record import LastEvents
from hokusai_mlflow_plugin.settings import Settings, read_settings

_COLUMNS = ("workspace", "sequence", "code", "message")


@click.command()
@database_argument
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check this export instead of a database.",
)
@click.option(
    "--checkpoint",
    "note_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that was kept: the note, or the answer of 'reward-events/checkpoint'.",
)
@click.option(
    "--public-key",
    "key_texts",
    multiple=True,
    metavar="KEY",
    help="A key that may have signed it; as often as needed. Also HOKUSAI_CHECKPOINT_PUBLIC_KEYS.",
)
@output_option
@reporting_errors
def verify(
    database_uri: str | None,
    path: Path | None,
    note_path: Path | None,
    key_texts: Sequence[str],
    as_json: bool,
) -> None:
    """Check that nobody edited, removed, swapped or added events, or what they rest on.

    In a database, decisions, series, deliveries, the index's decisions, the contributors in the
    tags and the checkpoints are compared; a file is followed event by event, and needs nothing
    else. With --checkpoint either has to go on from one that was kept. Exit status 1 where
    something differs; docs/events.md lists the codes. What a database had is kept, and shown on the
    server's page of the ledger.

    \b
    Example:
      hokusai-mlflow rewards verify sqlite:///hokusai.db
    """
    keys = [read_public_key(text) for text in key_texts]
    if path is not None:
        if database_uri is not None:
            raise click.UsageError("Name a database or --file, not both.")
        trusted = [*keys, *_trusted(read_settings())]
        checkpoint = _read_checkpoint(note_path, trusted)
        with path.open("rb") as file:
            check = FileCheck(file, checkpoint)
            count = _report(check.faults(), as_json)
        if not count and not as_json:
            end = f", the last with hash {check.last_hash}" if check.count else ""
            click.echo(f"The file is intact: {counted(check.count, 'event')}{end}.")
    else:
        with open_database(database_uri) as (engine, settings):
            trusted = [*keys, *_trusted(settings)]
            checkpoint = _read_checkpoint(note_path, trusted)
            began_ms = int(time.time() * 1000)
            with engine.connect() as connection:
                last = verification_record.last_events(connection)
                given = given_faults(connection, checkpoint) if checkpoint else ()
                found = list(ledger_verification.find_faults(connection, trusted))
                count = _report(chain(given, found), as_json)
            _keep(engine, began_ms, last, found)
        if not count and not as_json:
            click.echo("The ledger is intact.")
    if checkpoint and not count and not as_json:
        made = time_text(checkpoint.time_ms)
        events = counted(checkpoint.sequence, "event")
        click.echo(f"It goes on from the checkpoint of {events} that was signed on {made}.")
    sys.exit(1 if count else 0)


@click.command()
@database_argument
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where it goes; it appears when it is complete, in place of one that is there.",
)
@workspace_option
@reporting_errors
def export(database_uri: str | None, path: Path, workspace: str) -> None:
    """Write a ledger to a file, one event to a line, in order; 'verify --file' checks it.

    The lines are what 'reward-events/list' answers an administrator. Servers may write meanwhile.

    \b
    Example:
      hokusai-mlflow rewards export sqlite:///hokusai.db --file ledger.jsonl
    """
    count = 0
    with (
        open_database(database_uri) as (engine, _settings),
        engine.connect() as connection,
        whole_file(path) as file,
    ):
        for line in export_lines(connection, workspace):
            file.write(line)
            count += 1
    click.echo(f"{counted(count, 'event')} written to {path}.")


def _keep(engine: Engine, began_ms: int, last: LastEvents, faults: Sequence[LedgerFault]) -> None:
    """Keep what was found, for the page of the ledger; a copy may be read-only."""
    try:
        with engine.begin() as connection:
            verification_record.keep(connection, began_ms, last, faults)
    except SQLAlchemyError as error:
        click.echo(masked(f"The result was not kept. {database_failure(error)}"), err=True)


def _report(faults: Iterable[LedgerFault], as_json: bool) -> int:
    """Print faults as they are found; how many there are."""
    listing = JsonRows("faults", _COLUMNS) if as_json else FirstRows(_COLUMNS)
    for fault in faults:
        listing.add([fault.workspace, fault.sequence, fault.code, fault.message])
    if isinstance(listing, JsonRows):
        listing.close()
    elif listing.count:
        listing.show()
    return listing.count


def _trusted(settings: Settings) -> Iterator[PublicKey]:
    yield from (key.public for key in settings.checkpoint_keys)
    yield from settings.checkpoint_public_keys


def _read_checkpoint(path: Path | None, trusted: Sequence[PublicKey]) -> Checkpoint | None:
    if path is None:
        return None
    text = read_note(path)
    published: list[str] = []
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)["checkpoint"]
            text, published = str(found["note"]), [str(key) for key in found["public_keys"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InvalidNote(f"{path} is no answer of 'reward-events/checkpoint'.") from None
    # Keys that came with the note were trusted by who kept both.
    keys = trusted or [read_public_key(key) for key in published]
    if not keys:
        raise click.UsageError(
            "Name the key that signed the checkpoint, --public-key KEY; or keep the whole answer "
            "of 'reward-events/checkpoint', which has it."
        )
    return opened(text, keys)
