"""R2: benchmark values."""

from __future__ import annotations

import string
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.db.schema import tables
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
    "0e37": "0",
    "0e-48": "0",
    "-0.000": "0",
    "1e-18": "0.000000000000000001",
    "1e-48": "0." + 47 * "0" + "1",
    "1000e-51": "0." + 47 * "0" + "1",
    "0.000000000000000001000": "0.000000000000000001",
    "0." + 19 * "1": "0." + 19 * "1",
    "0." + 38 * "1": "0." + 38 * "1",
    "0.5e38": "5" + 37 * "0",
    "1e-0000000000000000000000000000001": "0.1",
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
    "1" + 64 * "0",
    65 * "0",
    100_000 * "9",
]
OUT_OF_RANGE = {
    "1e400": "above 10^37",
    "1e38": "above 10^37",
    "0e38": "above 10^37",
    "1e" + 60 * "9": "above 10^37",
    "0e" + 60 * "9": "above 10^37",
    "1e-400": "below 10^-48",
    "1e-49": "below 10^-48",
    "0e-49": "below 10^-48",
    "0." + 49 * "0": "below 10^-48",
    "0E-9999999999": "below 10^-48",
    "0e-500000000": "below 10^-48",
    "1e-" + 60 * "9": "below 10^-48",
    39 * "9": "39 significant digits",
    21 * "9" + "." + 18 * "9": "39 significant digits",
    "0." + 39 * "1": "39 significant digits",
}


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


@pytest.mark.parametrize(("text", "bound"), OUT_OF_RANGE.items())
def test_number_out_of_range(text, bound):
    """A number that is too long to be written out is refused, with the bound that it breaks."""
    assert parse_benchmark_value(text) is None
    violation = check_benchmark_value(text)
    assert (violation.key, violation.code) == ("benchmark_value", "benchmark_value_invalid")
    assert "Benchmark value must be numeric" in violation.message
    assert bound in violation.message
    assert "at most 38 significant digits, none above 10^37 and none below 10^-48" in (
        violation.message
    )


def test_a_long_zero_is_refused_without_writing_it_out():
    """What a text would be expanded to is bounded before anything is."""
    tracemalloc.start()
    try:
        for text in ("0E-9999999999", "0e-500000000", "-.0e-999999999999999999"):
            assert check_benchmark_value(text) is not None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@given(st.floats(1e-31, 1e37))
@example(1e-31)
@example(1e37)
@example(2.3283064365386963e-10)
@example(1.0000000000000002e-31)
@example(9.999999999999999e36)
def test_every_float_of_the_range(number):
    """What a run logged from 1e-31 to 1e37, at full precision, can be claimed, and means itself."""
    for logged in (number, -number):
        value = parse_benchmark_value(repr(logged))
        assert value == Decimal(repr(logged))
        assert float(plain(value)) == logged
        assert len(plain(value)) <= tables.decisions.c.value.type.length


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
        return Fraction(0) if -48 <= shift <= 37 else None
    if abs(shift) > 200:
        return None
    value = Fraction(int(digits)) * Fraction(10) ** shift
    scaled = value * 10**48
    if scaled.denominator != 1 or value >= 10**38 or len(str(scaled).rstrip("0")) > 38:
        return None
    return -value if mantissa.startswith("-") else value


NUMBERS = st.from_regex(
    r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", fullmatch=True
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


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.8500", "0.85"),
        ("1E+2", "100"),
        ("100", "100"),
        ("10.0", "10"),
        ("1E-7", "0.0000001"),
        ("0.00", "0"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("-10", "-10"),
    ],
)
def test_plain(number, text):
    """Without exponent, needless zeros and the sign of zero."""
    assert plain(Decimal(number)) == text
