"""R2: benchmark values."""

from __future__ import annotations

import string
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.domain.values import check_benchmark_value, parse_benchmark_value, plain

VALID = {
    "0.85": "0.85",
    "25.3": "25.3",
    "+1": "1",
    "-1.5": "-1.5",
    "1e-3": "0.001",
    "1E3": "1000",
    "1.": "1",
    ".5": "0.5",
    "-0": "0",
    "007": "7",
    "0e400": "0",
    "1e-18": "0.000000000000000001",
    "1000e-21": "0.000000000000000001",
    "0.000000000000000001000": "0.000000000000000001",
    "1e37": "1" + 37 * "0",
    38 * "9": 38 * "9",
    20 * "9" + "." + 18 * "9": 20 * "9" + "." + 18 * "9",
    64 * "0": "0",
    63 * "0" + "1": "1",
}
INVALID = [
    "",
    " ",
    "nan",
    "NaN",
    "sNaN",
    "inf",
    "-inf",
    "Infinity",
    "0_5",
    "1_000",
    " 0.5",
    "0.5 ",
    "0.5\n",
    "0,5",
    "٣",
    "１",  # a full-width digit
    "½",
    "1e",
    "e5",
    ".",
    "+",
    "--1",
    "+-1",
    "1e+-1",
    "1e1.5",
    "0x10",
    "1.2.3",
    "50%",
    "high",
    "1e400",
    "1e-400",
    "1e38",
    "1e-19",
    39 * "9",
    21 * "9" + "." + 18 * "9",
    "0." + 19 * "1",
    "1e" + 60 * "9",
    "1e-" + 60 * "9",
    "1" + 64 * "0",
    65 * "0",
    100_000 * "9",
]


@pytest.mark.parametrize(("text", "number"), VALID.items())
def test_valid_value(text, number):
    """A finite ASCII decimal passes, and is read exactly, without a float in between."""
    assert check_benchmark_value(text) is None
    assert parse_benchmark_value(text) == Decimal(number)


@pytest.mark.parametrize("text", INVALID)
def test_invalid_value(text):
    """Anything else is refused, with the text that the specification's error handling looks for."""
    assert parse_benchmark_value(text) is None
    violation = check_benchmark_value(text)
    assert (violation.key, violation.code) == ("benchmark_value", "benchmark_value_invalid")
    assert "Benchmark value must be numeric" in violation.message
    assert len(violation.message) < 1000


def oracle(text: str) -> Fraction | None:
    """R2 on whole numbers: the value, or None where it is refused."""
    mantissa, e, power = text.lower().partition("e")
    whole, _, part = mantissa[mantissa[:1] in ("+", "-") :].partition(".")
    unsigned_power = power[power[:1] in ("+", "-") :]
    digits = whole + part
    spelt = digits and bool(e) == bool(unsigned_power)
    if len(text) > 64 or not spelt or set(digits + unsigned_power) - set(string.digits):
        return None
    shift = int(power or 0) - len(part)
    if int(digits) == 0:
        return Fraction(0)
    value = Fraction(int(digits)) * Fraction(10) ** shift if abs(shift) <= 200 else Fraction(1, 3)
    places = next((n for n in range(19) if (value * 10**n).denominator == 1), None)
    if places is None or value * 10**places >= 10**38:
        return None
    return -value if mantissa.startswith("-") else value


NUMBERS = st.from_regex(
    r"[+-]?([0-9]{1,30}(\.[0-9]{0,22})?|\.[0-9]{1,22})([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(NUMBERS | st.text(alphabet="0123456789+-.eE_ \n٣naif", max_size=70))
@example("1.e5")
@example("-.5e-17")
@example("12345678901234567890123456789012345678")
def test_agrees_with_the_rule(text):
    """No string is accepted that the rule refuses, nor the other way round, and none is misread."""
    value = parse_benchmark_value(text)
    assert (None if value is None else Fraction(value)) == oracle(text)


@given(NUMBERS)
def test_plain_is_exact(text):
    """Writing a value without an exponent loses nothing, and needs no zero that says nothing."""
    value = parse_benchmark_value(text)
    if value is None:
        return
    written = plain(value)
    assert Decimal(written) == value
    assert parse_benchmark_value(written) == value
    assert "e" not in written.lower()
    assert not ("." in written and written.endswith(("0", ".")))
