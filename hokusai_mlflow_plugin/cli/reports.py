"""Printing what a scan of the registry finds, however much it is, with a progress bar."""

from __future__ import annotations

import csv
import gc
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click
from tqdm import tqdm

from hokusai_mlflow_plugin.cli.output import print_table
from hokusai_mlflow_plugin.services.index.maintenance import Difference, NonConforming, Report

NONCONFORMING_COLUMNS = ("workspace", "model", "version", "key", "code", "message")
DIFFERENCE_COLUMNS = ("workspace", "model", "version", "kind", "details")
_MAX_SHOWN = 50

Row = Sequence[str | int]


class Listing(Protocol):
    """Takes rows one by one; none of them keeps them all."""

    def add(self, row: Row) -> None:
        """Take one more row."""


class FirstRows:
    """A table of the first rows, and how many more there were."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._first: list[Row] = []
        self.count = 0

    def add(self, row: Row) -> None:
        """Keep it if it is one of the first."""
        self.count += 1
        if self.count <= _MAX_SHOWN:
            self._first.append(row)

    def show(self) -> None:
        """Print them."""
        print_table(self._columns, self._first)
        if self.count > _MAX_SHOWN:
            click.echo(f"… and {self.count - _MAX_SHOWN} more; --output json lists all.")


class JsonRows:
    """One JSON object with a list of all rows as objects, printed as they come."""

    def __init__(self, key: str, columns: Sequence[str]) -> None:
        self._columns = columns
        self._lead = f'{{\n  "{key}": [\n    '
        self._empty = f'{{\n  "{key}": ['
        self.count = 0

    def add(self, row: Row) -> None:
        """Print it."""
        item = dict(zip(self._columns, row, strict=True))
        lead = ",\n    " if self.count else self._lead
        click.echo(lead + json.dumps(item, ensure_ascii=False), nl=False)
        self.count += 1

    def close(self, **others: Any) -> None:
        """End the list, and print what else the object holds."""
        click.echo("\n  ]" if self.count else self._empty + "]", nl=False)
        for key, value in others.items():
            click.echo(f",\n  {json.dumps(key)}: {json.dumps(value)}", nl=False)
        click.echo("\n}")


class CsvRows:
    """A CSV file with a header."""

    def __init__(self, file: Any, columns: Sequence[str]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(columns)

    def add(self, row: Row) -> None:
        """Write it."""
        self._writer.writerow(row)


@contextmanager
def csv_report(path: Path | None) -> Iterator[list[Listing]]:
    """The listing of non-conforming versions in a file, or none where no file is wanted."""
    if path is None:
        yield []
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        yield [CsvRows(file, NONCONFORMING_COLUMNS)]


def with_progress(reports: Iterable[Report], total: int, verb: str) -> Iterator[Report]:
    """Pass reports on, with a progress bar on standard error where that is a terminal."""
    # What the imports made stays. The collector would look through it after every few thousand
    # versions, which is a quarter of the time.
    gc.freeze()
    with tqdm(
        total=total, desc=verb, unit=" versions", disable=not sys.stderr.isatty(), file=sys.stderr
    ) as bar:
        for report in reports:
            bar.update(report.version_count)
            yield report


def difference_rows(differences: Iterable[Difference]) -> Iterator[Row]:
    """One row for each version for which the index is not what the tags say."""
    for difference in differences:
        details = "; ".join(
            f"{column.column} is {column.found!r}, should be {column.expected!r}"
            for column in difference.columns
        )
        key = difference.id
        yield key.workspace, key.name, str(key.version), difference.kind.value, details


def nonconforming_rows(versions: Iterable[NonConforming]) -> Iterator[Row]:
    """One row for each fault of each version that carries a token but is not tokenised."""
    for version in versions:
        key = version.id
        for fault in version.violations:
            yield key.workspace, key.name, str(key.version), fault.key, fault.code, fault.message
