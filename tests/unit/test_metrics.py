"""R3: benchmark metrics."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric_name

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.metrics import check_metric_name, is_metric_name


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "f1_score",
        "val/acc",
        "top k",
        "a.b-c:d",
    ],
)
def test_valid_name(name):
    """What MLflow takes as the name of a metric is a benchmark metric."""
    assert check_metric_name(name, BUILT_IN) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "a\n",
        "\ta",
        "a\u00a0",
        "/a",
        "a/",
        "a//b",
        "../a",
        ".",
        "a\\b",
        "a%",
        251 * "a",
    ],
)
def test_invalid_name(name):
    """A name that MLflow refuses, or with white space at either end, or too long, is refused."""
    violation = check_metric_name(name, BUILT_IN)
    assert (violation.key, violation.code) == ("benchmark_metric", "benchmark_metric_invalid")
    assert "Benchmark metric name invalid" in violation.message


def accepted_by_mlflow(name: str) -> bool:
    try:
        _validate_metric_name(name)
    except MlflowException:
        return False
    return True


NAMES = st.text(alphabet="ab_./-: \n\té%@", max_size=12) | st.text(max_size=300)


@given(NAMES)
@example("a\n")
@example(250 * "a")
@example(251 * "a")
@example("a/./b")
@example("..a")
@example("\x1fa")
@example("a b")
def test_agrees_with_mlflow(name):
    """The rule is MLflow's own, plus ASCII, the length and no white space at either end."""
    fits = name.isascii() and name == name.strip() and 1 <= len(name) <= 250
    expected = fits and accepted_by_mlflow(name)
    assert is_metric_name(name) is expected
