"""``hokusai-mlflow index``: the token index, which is derived from the tags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import click
from sqlalchemy import Engine

from hokusai_mlflow_plugin.cli.connections import database_argument, open_database
from hokusai_mlflow_plugin.cli.output import counted, output_option, reporting_errors
from hokusai_mlflow_plugin.cli.reports import (
    DIFFERENCE_COLUMNS,
    FirstRows,
    JsonRows,
    Listing,
    difference_rows,
    with_progress,
)
from hokusai_mlflow_plugin.db.index import registry_scan
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.services.index import backfill, known_catalogue, maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Report

Scan = Callable[[Engine, Catalogue], Iterator[Report]]


@click.group()
def index() -> None:
    """Check and repair the token index.

    Other programs can change MLflow's tables behind the registry's back, such as a move of
    models between workspaces.

    A database is given with or without 'hokusai+'; by default MLFLOW_REGISTRY_STORE_URI, else
    MLFLOW_BACKEND_STORE_URI, else the one in this folder. The settings, HOKUSAI_METRICS_FILE
    above all, have to be those of the servers.
    """


@index.command()
@database_argument
@output_option
@reporting_errors
def verify(database_uri: str | None, as_json: bool) -> None:
    """Name each difference between tags and index; exit status 1 where there is one.

    It may be a missing row, a stale row, or a differing column, the decision in force included.
    Nothing is written. Exit status 2 where HOKUSAI_METRICS_FILE is not that of the servers: nothing
    is compared then. JSON:
    'differences', each with 'workspace', 'model', 'version', 'kind' and 'details', and
    'version_count'.

    \b
    Examples:
      hokusai-mlflow index verify sqlite:///hokusai.db
      hokusai-mlflow index verify postgresql://user@host/mlflow --output json
    """
    if as_json:
        listed = JsonRows("differences", DIFFERENCE_COLUMNS)
        total = _scan(database_uri, maintenance.verify, "Checking", listed)
        listed.close(version_count=total)
        sys.exit(1 if listed.count else 0)
    first = FirstRows(DIFFERENCE_COLUMNS)
    total = _scan(database_uri, maintenance.verify, "Checking", first)
    if not first.count:
        click.echo(f"The index is what the tags of {counted(total, 'version')} say.")
        return
    click.echo(f"{counted(first.count, 'difference')} in {counted(total, 'version')}:")
    first.show()
    sys.exit(1)


@index.command()
@database_argument
@output_option
@reporting_errors
def rebuild(database_uri: str | None, as_json: bool) -> None:
    """Repair each difference between tags and index; running servers may go on.

    Versions that the repair adds were written past the servers: they earn nothing, and the heads of
    their series are raised to their values. Interrupted and run again, it goes on.

    JSON: 'repaired', as the 'differences' of 'verify', and 'version_count'.

    \b
    Examples:
      hokusai-mlflow index rebuild sqlite:///hokusai.db
      hokusai-mlflow index rebuild postgresql://user@host/mlflow --output json
    """
    if as_json:
        listed = JsonRows("repaired", DIFFERENCE_COLUMNS)
        total = _scan(database_uri, backfill.rebuild, "Repairing", listed)
        listed.close(version_count=total)
        return
    first = FirstRows(DIFFERENCE_COLUMNS)
    total = _scan(database_uri, backfill.rebuild, "Repairing", first)
    click.echo(f"{counted(first.count, 'difference')} repaired in {counted(total, 'version')}.")
    if first.count:
        first.show()


def _scan(database_uri: str | None, scan: Scan, verb: str, found: Listing) -> int:
    """List what a scan finds, and say how many versions there are."""
    with open_database(database_uri) as (engine, settings):
        with engine.connect() as connection:
            total = registry_scan.count_versions(connection)
        known_catalogue.require_same(engine, settings.catalogue)
        for report in with_progress(scan(engine, settings.catalogue), total, verb):
            for row in difference_rows(report.differences):
                found.add(row)
    return total
