"""The metrics that an operator adds to the catalogue, or overrides: a TOML file.

::

    [metrics.uplift]
    direction = "maximize"
    unit = "proportion"     # optional, as are the rest
    task = "marketing"
    lower = "0"
    upper = "1"
    threshold = "0.005"     # the least improvement that is a DeltaOne
    aliases = ["lift"]      # its other names; all share one series

    [metrics.accuracy]
    threshold = "0.02"      # the rest stays as it is built in

Source: R8.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import (
    DEFAULT_THRESHOLD,
    Catalogue,
    Direction,
    Metric,
)
from hokusai_mlflow_plugin.domain.metrics import is_metric_name
from hokusai_mlflow_plugin.domain.tokens import shown
from hokusai_mlflow_plugin.domain.values import (
    MAX_LENGTH,
    RANGE_TEXT,
    parse_benchmark_value,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found]  # not needed on newer Python


_TOP = "metrics"


def _exact(value: object) -> Decimal | None:
    """A number or text as a benchmark value would be read (R2)."""
    if value is None:
        return None
    exact = None if isinstance(value, bool) else parse_benchmark_value(_text(value))
    if exact is None:
        raise ValueError(
            f"{shown(_text(value))} is no decimal number of at most {MAX_LENGTH} characters with "
            f"{RANGE_TEXT}"
        )
    return exact


def _text(value: object) -> str:
    # An integer may be as long as the file, and Python refuses to write such a one out.
    return "a number that long" if isinstance(value, int) and abs(value) > 10**100 else str(value)


_Exact = Annotated[Decimal, BeforeValidator(_exact)]


def _usable_name(name: str) -> str:
    if not is_metric_name(name):
        raise ValueError(f"no metric can have the name {shown(name)}")
    return name


_Name = Annotated[str, AfterValidator(_usable_name)]


@dataclass(frozen=True)
class _Float:
    """A float as the file spells it: not yet a number, which could be one of any size."""

    text: str

    def __str__(self) -> str:
        return self.text.replace("_", "")


class _Entry(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid")

    direction: Direction
    task: str = "custom"
    unit: Annotated[str, Field(max_length=64)] = "metric unit"
    lower: _Exact | None = None
    upper: _Exact | None = None
    threshold: Annotated[_Exact, Field(gt=0)] = DEFAULT_THRESHOLD
    aliases: tuple[_Name, ...] = ()

    @model_validator(mode="after")
    def _usable(self) -> _Entry:
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError("lower must be less than upper")
        return self


def read_metrics_file(setting: str, path: Path) -> dict[str, Metric]:
    """The metrics of a file, by canonical name.

    A metric that is built in keeps what the file does not say, its aliases in any case.

    Args:
        setting: The setting that names the file, for messages.
        path: The file.

    Raises:
        SettingsError: The file cannot be read or used; the message gives the line and the reason.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = _parse(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: cannot read {path}: {error}") from None
    except ValueError as error:  # no TOML, or an integer longer than Python reads
        raise SettingsError(f"{setting}: {path}: {error}") from None
    try:
        return _metrics(document)
    except _Fault as fault:
        line = _line(text, fault.keys)
        where = ".".join(fault.keys)
        message = f"{setting}: {path}, line {line}: {where}: {fault.reason}"
        raise SettingsError(message) from None


class _Fault(Exception):
    """What is wrong, and the keys that lead to it in the document."""

    def __init__(self, keys: Sequence[str], reason: str) -> None:
        super().__init__(reason)
        self.keys = keys
        self.reason = reason


def _parse(text: str) -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads(text, parse_float=_Float)
    return document


def _metrics(document: Mapping[str, Any]) -> dict[str, Metric]:
    for extra in set(document) - {_TOP}:
        raise _Fault([extra], f"only [{_TOP}.NAME] tables are known")
    tables = document.get(_TOP, {})
    if not isinstance(tables, dict):
        raise _Fault([_TOP], f"use [{_TOP}.NAME] tables")
    found: dict[str, Metric] = {}
    for name, entry in tables.items():
        metric = _metric(name, entry)
        if metric.name in found:
            raise _Fault([_TOP, name], f"there is another table of {metric.name}")
        found[metric.name] = metric
    for name in tables:
        _check_names(name, found)
    return found


def _check_names(table: str, found: Mapping[str, Metric]) -> None:
    """Two metrics with one name, or with names that look alike, would be paid for apart."""
    own = found[_canonical(table)]
    every = {**{metric.name: metric for metric in BUILT_IN.metrics}, **found}
    others = Catalogue(metric for metric in every.values() if metric.name != own.name)
    for name in own.names:
        if name in BUILT_IN and BUILT_IN[name].name == own.name:
            continue
        if other := others.meant_by(name):
            reason = f"{shown(name)} is {other.name}, or looks like it; make it one of its aliases"
            raise _Fault([_TOP, table], reason)


def _canonical(name: str) -> str:
    return BUILT_IN[name].name if name in BUILT_IN else name


def _metric(name: str, entry: Any) -> Metric:
    if not is_metric_name(name):
        raise _Fault([_TOP, name], "no metric can have this name")
    if not isinstance(entry, dict):
        raise _Fault([_TOP, name], "use a table")
    known = asdict(BUILT_IN[name]) if name in BUILT_IN else {}
    known.pop("name", None)
    built_in = known.pop("aliases", ())
    try:
        checked = _Entry.model_validate({**known, **entry})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise _Fault([_TOP, name, *map(str, first["loc"][:1])], reason) from None
    aliases = tuple(dict.fromkeys((*built_in, *checked.aliases)))
    return Metric(_canonical(name), **{**checked.model_dump(), "aliases": aliases})


def _line(text: str, keys: Sequence[str]) -> int:
    """The line, counted from 1, at which a key is first there when the file is read line by line.

    Where it never is, because it is missing, the line of the table that it is missing in.
    """
    lines = text.splitlines(keepends=True)
    for number in range(1, len(lines) + 1):
        try:
            found: Any = _parse("".join(lines[:number]))
        except ValueError:  # in the middle of a value
            continue
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return number
    return _line(text, keys[:-1]) if keys else 1
