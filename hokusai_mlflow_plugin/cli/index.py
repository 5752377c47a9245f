"""``hokusai-mlflow index``: the token index, which is derived from the tags."""

from __future__ import annotations

import sys
from typing import Any

import click

from hokusai_mlflow_plugin.cli.connections import database_argument, open_database
from hokusai_mlflow_plugin.cli.output import output_option, print_json, reporting_errors
from hokusai_mlflow_plugin.cli.reports import (
    DIFFERENCE_COLUMNS,
    as_dicts,
    difference_rows,
    print_some,
    with_progress,
)
from hokusai_mlflow_plugin.db import index_scan
from hokusai_mlflow_plugin.services import maintenance


@click.group()
def index() -> None:
    """Check and repair the token index.

    Other programs can change MLflow's tables behind the registry's back, such as a move of
    models between workspaces.
    """


@index.command()
@database_argument
@output_option
@reporting_errors
def verify(database_uri: str | None, as_json: bool) -> None:
    """Name each difference between tags and index; exit status 1 where there is one.

    \b
    Example:
      hokusai-mlflow index verify sqlite:///hokusai.db
    """
    total, found = _scan(database_uri, maintenance.verify, "Checking")
    if as_json:
        differences = as_dicts(DIFFERENCE_COLUMNS, found)
        print_json({"version_count": total, "differences": differences})
    elif found:
        click.echo(f"{len(found)} differences in {total} versions:")
        print_some(DIFFERENCE_COLUMNS, found)
    else:
        click.echo(f"The index is what the tags of {total} versions say.")
    sys.exit(1 if found else 0)


@index.command()
@database_argument
@output_option
@reporting_errors
def rebuild(database_uri: str | None, as_json: bool) -> None:
    """Repair each difference between tags and index; running servers may go on.

    \b
    Example:
      hokusai-mlflow index rebuild sqlite:///hokusai.db
    """
    total, found = _scan(database_uri, maintenance.rebuild, "Repairing")
    if as_json:
        print_json({"version_count": total, "repaired": as_dicts(DIFFERENCE_COLUMNS, found)})
        return
    click.echo(f"{len(found)} differences repaired in {total} versions.")
    if found:
        print_some(DIFFERENCE_COLUMNS, found)


def _scan(database_uri: str | None, scan: Any, verb: str) -> tuple[int, list[list[Any]]]:
    with open_database(database_uri) as (engine, settings):
        with engine.connect() as connection:
            total = index_scan.count_versions(connection)
        reports = with_progress(scan(engine, settings.catalogue), total, verb)
        found = [row for report in reports for row in difference_rows(report.differences)]
    return total, found
