"""Printing what a scan of the registry found, with a progress bar meanwhile."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from hokusai_mlflow_plugin.cli.output import print_table
from hokusai_mlflow_plugin.services.maintenance import Difference, NonConforming, Report

_MAX_SHOWN = 50
NONCONFORMING_COLUMNS = ("workspace", "model", "version", "tag", "code", "message")
DIFFERENCE_COLUMNS = ("workspace", "model", "version", "kind", "details")


def with_progress(reports: Iterable[Report], total: int, verb: str) -> Iterator[Report]:
    """Pass reports on, with a progress bar on standard error where that is a terminal."""
    with tqdm(
        total=total, desc=verb, unit=" versions", disable=not sys.stderr.isatty(), file=sys.stderr
    ) as bar:
        for report in reports:
            bar.update(report.version_count)
            yield report


def difference_rows(differences: Iterable[Difference]) -> Iterator[list[Any]]:
    """One row for each difference between tags and index."""
    for difference in differences:
        details = "; ".join(
            f"{column.column} is {column.found!r}, should be {column.expected!r}"
            for column in difference.columns
        )
        key = difference.id
        yield [key.workspace, key.name, key.version, difference.kind.value, details]


def nonconforming_rows(versions: Iterable[NonConforming]) -> Iterator[list[Any]]:
    """One row for each fault of each version that carries a token but is not tokenised."""
    for version in versions:
        for violation in version.violations:
            key = version.id
            yield [
                key.workspace,
                key.name,
                key.version,
                violation.key,
                violation.code,
                violation.message,
            ]


def as_dicts(columns: Iterable[str], rows: Iterable[list[Any]]) -> list[dict[str, Any]]:
    """Rows as JSON objects."""
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in rows]


def print_some(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    """Print the first rows, and how many more there are."""
    print_table(columns, rows[:_MAX_SHOWN])
    if len(rows) > _MAX_SHOWN:
        click.echo(f"… and {len(rows) - _MAX_SHOWN} more; --output json lists all.")


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[list[Any]]) -> None:
    """Write rows to a CSV file, with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
