"""R8: the operator's own metrics, and what is said of a file that cannot be used."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import Direction, Metric
from hokusai_mlflow_plugin.metrics_file import read_metrics_file
from hokusai_mlflow_plugin.settings import read_settings

SETTING = "HOKUSAI_METRICS_FILE"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.toml"


def read(file: Path, text: str) -> dict[str, Metric]:
    file.write_text(text, encoding="utf-8")
    return read_metrics_file(SETTING, file)


def test_an_added_metric(file):
    """A metric with all that can be said of it."""
    found = read(
        file,
        """
        [metrics.uplift]
        direction = "minimize"
        unit = "conversions"
        task = "marketing"
        lower = "-0.5"
        upper = 10
        threshold = 0.005
        """,
    )
    assert found == {
        "uplift": Metric(
            "uplift",
            "marketing",
            Direction.MINIMIZE,
            "conversions",
            Decimal("-0.5"),
            Decimal(10),
            Decimal("0.005"),
        )
    }


def test_only_the_direction_is_required(file):
    """Without bounds every value passes; the threshold is one point."""
    metric = read(file, '[metrics.uplift]\ndirection = "maximize"')["uplift"]
    assert (metric.lower, metric.upper, metric.threshold) == (None, None, Decimal("0.01"))
    assert metric.allows(Decimal("-1e37"))


def test_numbers_are_exact_decimals(file):
    """A TOML float is read as the decimal that is written, never as a float."""
    metric = read(file, '[metrics.uplift]\ndirection = "maximize"\nthreshold = 0.1')["uplift"]
    assert metric.threshold == Decimal("0.1")


def test_a_built_in_metric_keeps_what_the_file_does_not_say(file):
    """Another threshold alone leaves direction and bounds: nothing becomes lax by the way."""
    metric = read(file, '[metrics.accuracy]\nthreshold = "0.02"')["accuracy"]
    assert metric == Metric(
        "accuracy",
        "classification",
        Direction.MAXIMIZE,
        "proportion",
        Decimal(0),
        Decimal(1),
        Decimal("0.02"),
        ("accuracy_score",),
    )
    assert BUILT_IN["accuracy"].threshold == Decimal("0.01")


def test_a_built_in_metric_can_be_overridden_whole(file):
    """Everything about a built-in metric can be said anew."""
    text = '[metrics.bleu]\ndirection = "minimize"\nlower = 1\nupper = 100\nunit = "BLEU"'
    metric = read(file, text)["bleu_score"]
    assert (metric.direction, metric.unit) == (Direction.MINIMIZE, "BLEU")
    assert metric.bounds_text() == "1 to 100"


@pytest.mark.parametrize("text", ["", "# nothing\n", "[metrics]\n"])
def test_an_empty_file(file, text):
    """A file may say nothing."""
    assert read(file, text) == {}


def test_the_setting(file, tmp_path):
    """``HOKUSAI_METRICS_FILE`` adds the file's metrics to those that are built in."""
    file.write_text('[metrics.uplift]\ndirection = "maximize"\n[metrics.rmse]\nupper = 5\n')
    catalogue = read_settings({SETTING: str(file)}).catalogue
    assert set(catalogue) == {*BUILT_IN, "uplift"}
    assert catalogue["rmse"].upper == 5
    assert "uplift" not in read_settings({}).catalogue


FAULTS = {
    "syntax": ('[metrics.u]\nlower = "0"\ndirection = maximize', "(at line 3", "Invalid value"),
    "a table twice": ("[metrics.u]\n[metrics.u]\n", "(at line 2", "twice"),
    "another table": ('\n[metric.u]\ndirection = "maximize"', "line 2: metric:", "[metrics.NAME]"),
    "another key": ("version = 1\n[metrics]\n", "line 1: version:", "[metrics.NAME]"),
    "metrics is a number": ("\nmetrics = 3", "line 2: metrics:", "[metrics.NAME]"),
    "metrics is a list": ("[[metrics]]\nname = 'u'", "line 1: metrics:", "[metrics.NAME]"),
    "a metric is a number": ("[metrics]\nu = 3", "line 2: metrics.u:", "table"),
    "name": ('\n[metrics."a%"]\ndirection = "maximize"', "line 2: metrics.a%:", "name"),
    "no direction": ('\n\n[metrics.u]\nunit = "x"', "line 3: metrics.u.direction:", "required"),
    "direction": (
        '[metrics.a]\ndirection = "maximize"\n\n[metrics.b] # note\ndirection = "up"',
        "line 5: metrics.b.direction:",
        "'maximize' or 'minimize'",
    ),
    "direction in one line": (
        '[metrics]\nu = {unit = "x", direction = "up"}',
        "line 2: metrics.u.direction:",
        "'maximize' or 'minimize'",
    ),
    "direction in a dotted key": (
        'metrics.u.unit = "x"\nmetrics.u.direction = "up"',
        "line 2: metrics.u.direction:",
        "'maximize' or 'minimize'",
    ),
    "unknown key": (
        '[metrics.u]\ndirection = "maximize"\nbest = 1',
        "line 3: metrics.u.best:",
        "not permitted",
    ),
    "unit": ('[metrics.u]\ndirection = "maximize"\nunit = 5', "line 3: metrics.u.unit:", "string"),
    "lower above upper": (
        '[metrics.u]\ndirection = "maximize"\nlower = 1\nupper = 0',
        "line 1: metrics.u:",
        "lower must be less than upper",
    ),
    "lower is upper": (
        '[metrics.u]\ndirection = "maximize"\nlower = 1\nupper = 1.0',
        "line 1: metrics.u:",
        "lower must be less than upper",
    ),
    "built-in lower above upper": (
        "[metrics.perplexity]\nupper = 0.5",
        "line 1: metrics.perplexity:",
        "lower must be less than upper",
    ),
    **{
        f"{key} {value}": (
            f'[metrics.u]\ndirection = "maximize"\n{key} = {value}',
            f"line 3: metrics.u.{key}:",
            "no decimal number of at most 64 characters with at most 38 significant digits",
        )
        for key, value in [
            ("lower", "true"),
            ("lower", "inf"),
            ("upper", "nan"),
            ("upper", '"0_5"'),
            ("upper", '"1,5"'),
            ("upper", "[1]"),
            ("upper", "1979-05-27"),
            ("lower", '"٣"'),
            ("upper", "1e400"),
            ("threshold", '""'),
            ("threshold", "1e-49"),
            ("upper", "1e9999999999999999999999"),
            ("lower", "0E-9999999999"),
            ("lower", "0x" + 5000 * "f"),
        ]
    },
    **{
        f"threshold {value}": (
            f'[metrics.u]\ndirection = "maximize"\nthreshold = {value}',
            "line 3: metrics.u.threshold:",
            "greater than 0",
        )
        for value in ("0", '"0.00"', "-0.01")
    },
}


@pytest.mark.parametrize(("text", "line", "reason"), FAULTS.values(), ids=FAULTS)
def test_a_fault_stops_the_start_with_line_and_reason(file, text, line, reason):
    """The message names the setting, the file, the line, the key and what is wrong with it."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_settings({SETTING: str(file)})
    message = str(caught.value)
    assert message.startswith(f"{SETTING}: {file}")
    assert line in message
    assert reason in message


def test_a_file_that_is_not_there(file):
    """A missing file is an error, not an empty catalogue."""
    with pytest.raises(SettingsError, match=r"HOKUSAI_METRICS_FILE: cannot read .*metrics\.toml"):
        read_settings({SETTING: str(file)})


def test_an_integer_without_end(file):
    """One that Python does not even read is a fault of the file."""
    file.write_text(f'[metrics.u]\ndirection = "maximize"\nlower = {5000 * "9"}')
    with pytest.raises(SettingsError, match=r"HOKUSAI_METRICS_FILE: .*metrics\.toml"):
        read_settings({SETTING: str(file)})


def test_a_file_in_another_encoding(file):
    """TOML is UTF-8."""
    file.write_bytes('[metrics.u]\nunit = "°"'.encode("latin-1"))
    with pytest.raises(SettingsError, match="cannot read"):
        read_settings({SETTING: str(file)})
