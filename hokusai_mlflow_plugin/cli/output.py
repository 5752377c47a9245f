"""What the commands print: tables for people, JSON for machines, one sentence for an error."""

from __future__ import annotations

import functools
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from hokusai_mlflow_plugin.domain.errors import HokusaiError, OtherCatalogue

F = TypeVar("F", bound=Callable[..., Any])

_URI_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):\S*@")
_QUERY_PASSWORD = re.compile(r"([?&]password=)[^&\s]*")

output_option = click.option(
    "--output",
    "as_json",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    callback=lambda _context, _parameter, value: value == "json",
    help="A table for people, or JSON for machines.",
)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their columns, aligned, or a line that says that there are none."""
    cells = [[_text(value) for value in row] for row in rows]
    if not cells:
        click.echo("None.")
        return
    widths = [
        max(_width(row[column]) for row in [list(columns), *cells])
        for column in range(len(columns))
    ]
    for row in [list(columns), ["-" * width for width in widths], *cells]:
        padded = (
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def time_text(epoch_ms: int | None) -> str:
    """A time in UTC to the second, or nothing."""
    if epoch_ms is None:
        return ""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


def counted(number: int, noun: str) -> str:
    """``1 version``, ``2 versions``: a number with what it counts."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def masked(message: str) -> str:
    """A message without the passwords of the URIs in it."""
    message = _URI_PASSWORD.sub(r"\1:***@", message)
    return _QUERY_PASSWORD.sub(r"\1***", message)


def reporting_errors(command: F) -> F:
    """Decorator: a foreseeable error is one sentence on standard error, and exit status 1.

    2 where nothing was compared: the commands that compare say 1 for a difference.
    """

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            message = _foreseen(error)
            if message is None:
                raise
            click.echo(f"Error: {masked(' '.join(message.split()))}", err=True)
            sys.exit(2 if isinstance(error, OtherCatalogue) else 1)

    return wrapper  # type: ignore[return-value]  # it has the command's signature


def pick(row: Mapping[str, Any], keys: Iterable[str]) -> list[Any]:
    """The values of some keys, for a table."""
    return [row.get(key) for key in keys]


def database_failure(error: SQLAlchemyError) -> str:
    """What is wrong with the database, in its driver's words; not masked yet."""
    return f"The database cannot be used: {getattr(error, 'orig', None) or error}"


def _foreseen(error: Exception) -> str | None:
    """What an error says to whoever typed the command; None where it is a fault of ours."""
    # MLflow takes a second to import; without it, it can have raised nothing.
    mlflow = sys.modules.get("mlflow.exceptions")
    if mlflow is not None and isinstance(error, mlflow.MlflowException):
        return str(error.message).removeprefix(f"{error.error_code}: ")
    if isinstance(error, SQLAlchemyError):
        return database_failure(error)
    if isinstance(error, BrokenPipeError):  # whoever reads has had enough; click ends quietly
        return None
    if isinstance(error, (HokusaiError, OSError, ImportError)):
        return str(error)
    return None


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    # A name must not be able to move the cursor or to forge a line.
    return "".join(c if unicodedata.category(c)[0] != "C" else ascii(c)[1:-1] for c in text)


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
