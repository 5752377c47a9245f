"""Benchmark metric names.

Source: R3. The alphabet and the path rule are those of MLflow's own metric names, so that
a benchmark metric can be compared with the metric that a run logged.
"""

from __future__ import annotations

import posixpath
import re

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

BENCHMARK_METRIC_TAG = "benchmark_metric"
MAX_LENGTH = 250

_NAME = re.compile(r"[/\w.\- :]+")


def is_metric_name(value: str) -> bool:
    """Whether MLflow accepts the name, and it has no white space at either end (R3)."""
    if not 1 <= len(value) <= MAX_LENGTH or value != value.strip():
        return False
    return _NAME.fullmatch(value) is not None and _names_one_file(value)


def check_metric_name(value: str) -> Violation | None:
    """The fault of a benchmark metric, or None."""
    if is_metric_name(value):
        return None
    return Violation(
        BENCHMARK_METRIC_TAG,
        "benchmark_metric_invalid",
        f"Benchmark metric name invalid: {shown(value)} in tag {BENCHMARK_METRIC_TAG}. Use a "
        "metric name such as 'accuracy': letters, digits, and / _ . - : or inner spaces, "
        f"1 to {MAX_LENGTH} characters.",
    )


def _names_one_file(value: str) -> bool:
    path = posixpath.normpath(value)
    return path == value and path != "." and not path.startswith(("..", "/"))
