"""Benchmark values: exact decimals, never floats.

Source: R2.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

BENCHMARK_VALUE_TAG = "benchmark_value"
MAX_LENGTH = 64
MAX_DIGITS = 38
HIGHEST_POWER = 37
LOWEST_POWER = -48
"""Powers of ten beyond which no digit stands: ``repr`` of every float from 1e-31 to 1e37 fits."""
RANGE_TEXT = (
    f"at most {MAX_DIGITS} significant digits, none above 10^{HIGHEST_POWER} and none below "
    f"10^{LOWEST_POWER}, zeros included"
)

EXACT = Context(
    prec=2 * (HIGHEST_POWER - LOWEST_POWER + 1),
    traps=[Inexact, InvalidOperation, DivisionByZero, Overflow],
)
"""Wide enough that the sum, difference or percentage of two benchmark values is exact: the two ends
of the range are 86 digits apart. What would have to be rounded is an error."""

_NUMBER = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")


class _OutOfRange(ValueError):
    """A number whose exact decimal is too long to be written out; says by what."""


def parse_benchmark_value(text: str) -> Decimal | None:
    """The exact decimal that a benchmark value spells, or None where R2 refuses it."""
    try:
        return _number(text)
    except _OutOfRange:
        return None


def check_benchmark_value(text: str) -> Violation | None:
    """The fault of a benchmark value, or None; it says ``Benchmark value must be numeric``."""
    quoted = f"Benchmark value must be numeric: {shown(text)} in tag {BENCHMARK_VALUE_TAG}"
    try:
        if _number(text) is not None:
            return None
        message = (
            f"{quoted}. Use a finite decimal number in ASCII such as '0.85' or '1e-3': at most "
            f"{MAX_LENGTH} characters, {MAX_DIGITS} digits."
        )
    except _OutOfRange as error:
        message = f"{quoted} is out of range: {error}. Its exact decimal may have {RANGE_TEXT}."
    return Violation(BENCHMARK_VALUE_TAG, "benchmark_value_invalid", message)


def stored_value(text: str) -> Decimal:
    """The exact value of a text that was checked before it was stored."""
    value = parse_benchmark_value(text)
    assert value is not None  # noqa: S101  # nothing else is stored
    return value


def plain(value: Decimal) -> str:
    """A decimal without exponent and without needless zeros: ``0.02``, ``-1``, ``100``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _number(text: str) -> Decimal | None:
    """The number that a text spells, without the zeros at its ends; None where it spells none.

    Raises:
        _OutOfRange: It does, and its digits reach too far.
    """
    if len(text) > MAX_LENGTH or (match := _NUMBER.fullmatch(text)) is None:
        return None
    sign, whole, part, part_alone, exponent = match.groups(default="")
    part += part_alone
    # On the digits as text, and before decimal sees them: '0E-9999999999' would be written out as
    # ten billion zeros.
    digits, lowest = (whole + part).lstrip("0"), int(exponent or 0) - len(part)
    significant = digits.rstrip("0")
    if significant:
        lowest += len(digits) - len(significant)
    _require_range(lowest, max(1, len(significant)))
    return Decimal(f"{sign}{significant}E{lowest}") if significant else Decimal(0)


def _require_range(lowest: int, count: int) -> None:
    if count > MAX_DIGITS:
        raise _OutOfRange(f"it has {count} significant digits")
    if lowest < LOWEST_POWER:
        raise _OutOfRange(f"it has a digit below 10^{LOWEST_POWER}")
    if lowest + count - 1 > HIGHEST_POWER:
        raise _OutOfRange(f"it has a digit above 10^{HIGHEST_POWER}")
