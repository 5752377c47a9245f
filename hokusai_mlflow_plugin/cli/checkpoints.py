"""``hokusai-mlflow rewards checkpoint`` and ``keygen``: signing what the ledgers are."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import Engine

from hokusai_mlflow_plugin.cli.connections import database_argument, open_database
from hokusai_mlflow_plugin.cli.files import read_note, replace_file
from hokusai_mlflow_plugin.cli.output import (
    counted,
    output_option,
    print_json,
    reporting_errors,
    time_text,
)
from hokusai_mlflow_plugin.cli.repeating import repeat
from hokusai_mlflow_plugin.db.rewards import checkpoint_rows
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.errors import HokusaiError, LedgerRewritten, SettingsError
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey, SigningKey, new_key
from hokusai_mlflow_plugin.services.queries.checkpoints import checkpoint_fields
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import opened
from hokusai_mlflow_plugin.services.rewards.checkpoints import SignedCheckpoint, checkpoint_ledger

_logger = logging.getLogger(__name__)


@click.command()
@click.argument("name")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the signing key goes; a file that is there is left as it is.",
)
@reporting_errors
def keygen(name: str, path: Path) -> None:
    """Make a key that signs checkpoints, and show its public key.

    NAME is shown with each signature: best the name of the server. The file can be read by its
    owner alone. Hand the public key to whoever is to check checkpoints.

    \b
    Example:
      hokusai-mlflow rewards keygen registry.example --file checkpoint.key
    """
    key = new_key(name)
    # Not to be seen by others for a moment, nor written over a key that is in use.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SettingsError(f"{path} is there already; a key is never written over.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{key.secret_text}\n")
    click.echo(key.public)


@click.command()
@database_argument
@click.option(
    "--every",
    "interval",
    type=click.FloatRange(min=0.05),
    help="Go on, with so many seconds between two looks; by default it looks once.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True),
    help="Keep the newest note of each ledger there, as WORKSPACE.txt.",
)
@output_option
@reporting_errors
def checkpoint(
    database_uri: str | None, interval: float | None, directory: Path | None, as_json: bool
) -> None:
    """Sign where each ledger ends, with the keys in HOKUSAI_CHECKPOINT_KEYS.

    The newest checkpoint of each workspace is published at 'reward-events/checkpoint'. A ledger is
    followed from its last checkpoint before it is signed again, also from the one in --directory;
    one that was rewritten is not signed, and ends the command with exit status 1. Any number of
    these may run. With --every it goes on when the database was away.

    \b
    Example:
      HOKUSAI_CHECKPOINT_KEYS=checkpoint.key \\
      hokusai-mlflow rewards checkpoint sqlite:///hokusai.db
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with open_database(database_uri) as (engine, settings):
        if not settings.checkpoint_keys:
            raise SettingsError(
                "Set HOKUSAI_CHECKPOINT_KEYS to the key that signs, or the file that holds it; "
                "'hokusai-mlflow rewards keygen' makes one."
            )
        # Those before a rotation signed what is kept.
        trusted = [key.public for key in settings.checkpoint_keys]
        trusted += settings.checkpoint_public_keys
        signer = _Signer(engine, settings.checkpoint_keys, trusted, directory)
        if interval is not None:
            repeat(signer.log_new, interval)
        found = list(signer.signed())
        if found or not signer.refused:
            _show(found, as_json)
        signer.end()


def _show(found: list[SignedCheckpoint], as_json: bool) -> None:
    if as_json:
        fields = [
            {
                "workspace": each.workspace,
                **checkpoint_fields(each.checkpoint, each.note, list(each.public_keys)),
            }
            for each in found
        ]
        print_json({"checkpoints": fields})
        return
    for each in found:
        click.echo(_sentence(each))
    if not found:
        click.echo("No ledger has an event yet.")


def _sentence(each: SignedCheckpoint) -> str:
    done = "signed" if each.is_new else f"as signed on {time_text(each.checkpoint.time_ms)}"
    events = counted(each.checkpoint.sequence, "event")
    return f"{each.workspace}: {events}, the last with hash {each.checkpoint.hash}, {done}."


@dataclass
class _Signer:
    """Signs the ledgers of a database, and remembers what it signed."""

    engine: Engine
    keys: tuple[SigningKey, ...]
    trusted: list[PublicKey]
    directory: Path | None
    known: dict[str, Checkpoint] = field(default_factory=dict)
    refused: list[LedgerRewritten] = field(default_factory=list)

    def signed(self) -> Iterator[SignedCheckpoint]:
        """Every ledger's newest checkpoint, of those that have not been rewritten."""
        with self.engine.connect() as connection:
            workspaces = checkpoint_rows.workspaces(connection)
        for workspace in workspaces:
            try:
                found = checkpoint_ledger(
                    self.engine,
                    workspace,
                    self.keys,
                    time.time_ns() // 1_000_000,
                    self._kept(workspace),
                )
            except LedgerRewritten as error:  # the other ledgers are signed all the same
                self.refused.append(error)
                continue
            if found is not None:
                self._keep(found)
                yield found

    def log_new(self) -> None:
        """A line for each ledger that has gone on; ends the command at one that was rewritten."""
        for each in self.signed():
            if each.is_new:
                _logger.info("%s", _sentence(each))
        self.end()

    def end(self) -> None:
        """Say which ledgers were rewritten, and end the command if there are any."""
        for error in self.refused[1:]:
            click.echo(f"Error: {error}", err=True)
        for error in self.refused[:1]:
            raise error

    def _kept(self, workspace: str) -> Checkpoint | None:
        path = self._path(workspace)
        if workspace in self.known or path is None or not path.exists():
            return self.known.get(workspace)
        try:
            return opened(read_note(path), self.trusted)
        except HokusaiError as error:
            raise SettingsError(
                f"{path}: {error} Where it was signed with a key that is retired, name that in "
                "HOKUSAI_CHECKPOINT_PUBLIC_KEYS."
            ) from None

    def _keep(self, found: SignedCheckpoint) -> None:
        path = self._path(found.workspace)
        is_other = self.known.get(found.workspace) != found.checkpoint
        self.known[found.workspace] = found.checkpoint
        if path is not None and (is_other or not path.exists()):
            replace_file(path, found.note)

    def _path(self, workspace: str) -> Path | None:
        return None if self.directory is None else self.directory / f"{workspace}.txt"
