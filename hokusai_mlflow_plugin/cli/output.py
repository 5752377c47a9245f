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
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from hokusai_mlflow_plugin.domain.errors import HokusaiError

F = TypeVar("F", bound=Callable[..., Any])

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@\s]*@")

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


def masked(message: str) -> str:
    """A message without the passwords of the URIs in it."""
    return _PASSWORD.sub(r"\1:***@", message)


def reporting_errors(command: F) -> F:
    """Decorator: a foreseeable error is one sentence on standard error, and exit status 1."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except MlflowException as error:
            _fail(error.message.removeprefix(f"{error.error_code}: "))
        except SQLAlchemyError as error:
            _fail(f"The database cannot be used: {getattr(error, 'orig', None) or error}")
        except BrokenPipeError:
            raise  # whoever reads the output has had enough; click ends quietly
        except (HokusaiError, OSError, ImportError) as error:
            _fail(str(error))

    return wrapper  # type: ignore[return-value]  # it has the command's signature


def pick(row: Mapping[str, Any], keys: Iterable[str]) -> list[Any]:
    """The values of some keys, for a table."""
    return [row.get(key) for key in keys]


def _fail(message: str) -> None:
    click.echo(f"Error: {masked(' '.join(str(message).split()))}", err=True)
    sys.exit(1)


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    # A name must not be able to move the cursor or to forge a line.
    return "".join(c if unicodedata.category(c)[0] != "C" else ascii(c)[1:-1] for c in text)


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
