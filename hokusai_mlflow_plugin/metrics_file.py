"""The metrics that an operator adds to the catalogue, or overrides: a TOML file.

::

    [metrics.uplift]
    direction = "maximize"
    unit = "proportion"     # optional, as are the rest
    task = "marketing"
    lower = "0"
    upper = "1"
    threshold = "0.005"     # the least improvement that is a DeltaOne

Source: design R8.
"""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import DEFAULT_THRESHOLD, Direction, Metric
from hokusai_mlflow_plugin.domain.metrics import is_metric_name
from hokusai_mlflow_plugin.domain.values import parse_benchmark_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found]  # not needed on newer Python


class _Entry(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid")

    direction: Direction
    task: str = "custom"
    unit: str = "metric unit"
    lower: Decimal | None = None
    upper: Decimal | None = None
    threshold: Annotated[Decimal, Field(gt=0)] = DEFAULT_THRESHOLD

    @model_validator(mode="after")
    def _usable(self) -> _Entry:
        for bound in (self.lower, self.upper, self.threshold):
            if bound is not None and parse_benchmark_value(str(bound)) is None:
                raise ValueError(f"{bound} does not fit 38 digits, 18 of them after the point")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError("lower must be less than upper")
        return self


def read_metrics_file(setting: str, path: Path) -> dict[str, Metric]:
    """The metrics of a file, by name.

    Args:
        setting: The setting that names the file, for messages.
        path: The file.

    Raises:
        SettingsError: The file cannot be read or used; the message gives the line and the reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text, parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{setting}: {path}: {error}") from None
    if extra := sorted(set(document) - {"metrics"}):
        raise _fault(setting, path, text, extra[0], None, "only [metrics.NAME] tables are known")
    tables = document.get("metrics", {})
    return {name: _metric(setting, path, text, name, entry) for name, entry in tables.items()}


def _metric(setting: str, path: Path, text: str, name: str, entry: Any) -> Metric:
    if not is_metric_name(name):
        raise _fault(setting, path, text, name, None, "no metric can have this name")
    try:
        checked = _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0]) if first["loc"] else None
        raise _fault(setting, path, text, name, key, first["msg"]) from None
    return Metric(
        name,
        checked.task,
        checked.direction,
        checked.unit,
        checked.lower,
        checked.upper,
        checked.threshold,
    )


def _fault(
    setting: str, path: Path, text: str, name: str, key: str | None, reason: str
) -> SettingsError:
    where = f"{name}.{key}" if key else name
    return SettingsError(f"{setting}: {path}, line {_line(text, name, key)}: {where}: {reason}")


def _line(text: str, name: str, key: str | None) -> int:
    """The line of a table, or of a key in it where it is there; counted from 1."""
    table = 1
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("[") and re.search(rf"[.\"'\[\s]{re.escape(name)}\W*$", line):
            table = number
        elif key and table and re.match(rf"\s*{re.escape(key)}\s*=", line) and number > table:
            return number
    return table
