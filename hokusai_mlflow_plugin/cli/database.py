"""``hokusai-mlflow db``: the project's tables in MLflow's registry database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, inspect

from hokusai_mlflow_plugin.cli.connections import database_argument, open_database
from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    reporting_errors,
)
from hokusai_mlflow_plugin.cli.reports import (
    NONCONFORMING_COLUMNS,
    as_dicts,
    nonconforming_rows,
    print_some,
    with_progress,
    write_csv,
)
from hokusai_mlflow_plugin.db import index_scan, migrate
from hokusai_mlflow_plugin.db.tables import token_index
from hokusai_mlflow_plugin.services import backfill, maintenance
from hokusai_mlflow_plugin.settings import Settings


@click.group("db")
def database() -> None:
    """Migrate the registry's own tables.

    A database is given with or without 'hokusai+'; by default MLFLOW_REGISTRY_STORE_URI, else
    MLFLOW_BACKEND_STORE_URI.
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

    \b
    Examples:
      hokusai-mlflow db upgrade sqlite:///hokusai.db
      hokusai-mlflow db upgrade postgresql://user@host/mlflow --dry-run --report faults.csv
    """
    with open_database(database_uri, migrated=False) as (engine, settings):
        if not dry_run:
            migrate.upgrade(engine)
        with engine.connect() as connection:
            total = index_scan.count_versions(connection)
        reports = _dry_run(engine, settings) if dry_run else _upgrade(engine, settings)
        verb = "Checking" if dry_run else "Indexing"
        faults: list[list[Any]] = []
        repaired = 0
        for report in with_progress(reports, total, verb):
            faults.extend(nonconforming_rows(report.nonconforming))
            repaired += len(report.differences)
        state = _revision(engine)
    if report_path:
        write_csv(report_path, NONCONFORMING_COLUMNS, faults)
    if as_json:
        print_json(
            {
                "revision": state,
                "version_count": total,
                "indexed_count": 0 if dry_run else repaired,
                "nonconforming": as_dicts(NONCONFORMING_COLUMNS, faults),
            }
        )
        return
    done = f"{repaired} would be indexed" if dry_run else f"{repaired} indexed"
    click.echo(f"Revision {state or 'none'}; {total} versions, {done}.")
    click.echo("Versions that carry a token but do not conform:")
    print_some(NONCONFORMING_COLUMNS, faults)


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
        state = migrate.schema_state(connection)
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
        state = migrate.schema_state(connection)
        found = migrate.differences(connection)
    if not state.is_current:
        found.insert(0, f"revision {state.current or 'none'}, this release needs {state.head}")
    if as_json:
        print_json({"differences": found})
    else:
        click.echo("\n".join(found) if found else "The tables are those of this release.")
    sys.exit(1 if found else 0)


def _dry_run(engine: Engine, settings: Settings):  # type: ignore[no-untyped-def]  # reports
    has_index = inspect(engine).has_table(token_index.name)
    return maintenance.verify(engine, settings.catalogue, with_index=has_index)


def _upgrade(engine: Engine, settings: Settings):  # type: ignore[no-untyped-def]  # reports
    if backfill.is_pending(engine):
        return backfill.run(engine, settings.catalogue)
    return maintenance.rebuild(engine, settings.catalogue)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrate.schema_state(connection).current
