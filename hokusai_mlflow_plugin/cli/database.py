"""``hokusai-mlflow db``: the project's tables in MLflow's registry database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy import Engine

from hokusai_mlflow_plugin.cli.connections import database_argument, open_database
from hokusai_mlflow_plugin.cli.output import counted, output_option, print_json, reporting_errors
from hokusai_mlflow_plugin.cli.reports import (
    NONCONFORMING_COLUMNS,
    FirstRows,
    JsonRows,
    Listing,
    csv_report,
    nonconforming_rows,
    with_progress,
)
from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.db.schema import binary_log, migrations
from hokusai_mlflow_plugin.domain.errors import OtherCatalogue
from hokusai_mlflow_plugin.services.index import backfill, known_catalogue, maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Report
from hokusai_mlflow_plugin.settings import Settings


@click.group("db")
def database() -> None:
    """Migrate the registry's own tables.

    A database is given with or without 'hokusai+'; by default MLFLOW_REGISTRY_STORE_URI, else
    MLFLOW_BACKEND_STORE_URI, else the one in this folder.
    """


@database.command()
@database_argument
@click.option("--dry-run", is_flag=True, help="Only report what does not conform; write nothing.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="Also write what does not conform to a CSV file.",
)
@output_option
@reporting_errors
def upgrade(
    database_uri: str | None, dry_run: bool, report_path: Path | None, as_json: bool
) -> None:
    """Migrate the tables, and index versions that are older than the plugin.

    Nothing is paid for the past: each series begins with the best value found. Interrupted and
    run again, it goes on. Take a backup first.

    Versions that carry a token but do not conform are reported, one line for each fault. JSON:
    'nonconforming', each with 'workspace', 'model', 'version', 'key', 'code' and 'message', then
    'revision', 'version_count' and 'indexed_count' (with --dry-run: how many would be).

    \b
    Examples:
      hokusai-mlflow db upgrade sqlite:///hokusai.db
      hokusai-mlflow db upgrade postgresql://user@host/mlflow --dry-run --report faults.csv
    """
    with (
        csv_report(report_path) as listings,
        open_database(database_uri, migrated=False) as (engine, settings),
    ):
        if not dry_run:
            with engine.connect() as connection:
                binary_log.require_row_log(connection)
            migrations.upgrade(engine)
        with engine.connect() as connection:
            total = registry_scan.count_versions(connection)
        reports = _dry_run(engine, settings) if dry_run else _upgrade(engine, settings)
        reports = with_progress(reports, total, "Checking" if dry_run else "Indexing")
        if as_json:
            listed = JsonRows("nonconforming", NONCONFORMING_COLUMNS)
            indexed = _list(reports, [*listings, listed])
            revision = _revision(engine)
            listed.close(revision=revision, version_count=total, indexed_count=indexed)
            return
        first = FirstRows(NONCONFORMING_COLUMNS)
        indexed = _list(reports, [*listings, first])
        done = f"{indexed} would be indexed" if dry_run else f"{indexed} indexed"
        click.echo(f"Revision {_revision(engine) or 'none'}; {counted(total, 'version')}, {done}.")
        click.echo("Versions that carry a token but do not conform:")
        first.show()


@database.command()
@database_argument
@output_option
@reporting_errors
def current(database_uri: str | None, as_json: bool) -> None:
    """Show the revision of the tables, and the one that this release needs.

    \b
    Example:
      hokusai-mlflow db current sqlite:///hokusai.db
    """
    with (
        open_database(database_uri, migrated=False) as (engine, _settings),
        engine.connect() as connection,
    ):
        state = migrations.schema_state(connection)
    if as_json:
        print_json({"current": state.current, "head": state.head, "is_current": state.is_current})
    else:
        click.echo(f"Revision {state.current or 'none'}, this release needs {state.head}.")


@database.command()
@database_argument
@output_option
@reporting_errors
def check(database_uri: str | None, as_json: bool) -> None:
    """Compare the tables with those of this release; exit status 1 where they differ.

    \b
    Example:
      hokusai-mlflow db check sqlite:///hokusai.db
    """
    with (
        open_database(database_uri, migrated=False) as (engine, _settings),
        engine.connect() as connection,
    ):
        state = migrations.schema_state(connection)
        found = migrations.differences(connection)
    if not state.is_current:
        found.insert(0, f"revision {state.current or 'none'}, this release needs {state.head}")
    if as_json:
        print_json({"differences": found})
    else:
        click.echo("\n".join(found) if found else "The tables are those of this release.")
    sys.exit(1 if found else 0)


def _dry_run(engine: Engine, settings: Settings) -> Iterator[Report]:
    with engine.connect() as connection:
        has_index = migrations.schema_state(connection).is_current
    return maintenance.verify(engine, settings.catalogue, with_index=has_index)


def _upgrade(engine: Engine, settings: Settings) -> Iterator[Report]:
    if backfill.is_pending(engine):
        known_catalogue.put_on_record(engine, settings.catalogue, is_server=True)
        return backfill.run(engine, settings.catalogue)
    try:
        known_catalogue.require_same(engine, settings.catalogue)
    except OtherCatalogue as error:  # the file may have changed; the servers will say so
        click.echo(f"The index is left as it is. {error}", err=True)
        return iter(())
    return backfill.rebuild(engine, settings.catalogue)


def _list(reports: Iterator[Report], listings: list[Listing]) -> int:
    """List what does not conform, and count what was indexed."""
    indexed = 0
    for report in reports:
        indexed += len(report.differences)
        for row in nonconforming_rows(report.nonconforming):
            for listing in listings:
                listing.add(row)
    return indexed


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrations.schema_state(connection).current
