"""Benchmark values: exact decimals, never floats.

Source: R2.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, DecimalException

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

BENCHMARK_VALUE_TAG = "benchmark_value"
MAX_LENGTH = 64
MAX_DIGITS = 38
MAX_FRACTION_DIGITS = 18

EXACT = Context(prec=4 * MAX_DIGITS)
"""Wide enough that the sum, difference or percentage of two benchmark values is exact."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def parse_benchmark_value(text: str) -> Decimal | None:
    """The exact decimal that a benchmark value spells, or None where R2 refuses it."""
    if len(text) > MAX_LENGTH or _NUMBER.fullmatch(text) is None:
        return None
    try:
        value = Decimal(text)
    except DecimalException:  # an exponent beyond what decimal can hold
        return None
    return value if _fits(value) else None


def check_benchmark_value(text: str) -> Violation | None:
    """The fault of a benchmark value, or None; it says ``Benchmark value must be numeric``."""
    if parse_benchmark_value(text) is not None:
        return None
    return Violation(
        BENCHMARK_VALUE_TAG,
        "benchmark_value_invalid",
        f"Benchmark value must be numeric: {shown(text)} in tag {BENCHMARK_VALUE_TAG}. Use a "
        f"finite decimal number in ASCII such as '0.85' or '1e-3': at most {MAX_LENGTH} "
        f"characters, {MAX_DIGITS} digits, {MAX_FRACTION_DIGITS} of them after the point.",
    )


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
    return "0" if text in ("-0", "") else text


def _fits(value: Decimal) -> bool:
    digits, exponent = value.as_tuple().digits, value.as_tuple().exponent
    if not isinstance(exponent, int):
        return False
    significant = "".join(map(str, digits)).lstrip("0")
    if not significant:
        return True
    trimmed = significant.rstrip("0")
    exponent += len(significant) - len(trimmed)
    fraction_digits = max(0, -exponent)
    integer_digits = max(0, len(trimmed) + exponent)
    return fraction_digits <= MAX_FRACTION_DIGITS and integer_digits + fraction_digits <= MAX_DIGITS
