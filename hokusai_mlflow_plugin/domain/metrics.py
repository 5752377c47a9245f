"""Benchmark metric names.

Source: R3. The alphabet and the path rule are those of MLflow's own metric names, so that
a benchmark metric can be compared with the metric that a run logged.
"""

from __future__ import annotations

import posixpath
import re

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.tokens import shown

BENCHMARK_METRIC_TAG = "benchmark_metric"
MAX_LENGTH = 250

_NAME = re.compile(r"[/\w.\- :]+", re.ASCII)


def is_metric_name(value: str) -> bool:
    """Whether MLflow accepts the name, it is ASCII, and has no white space at either end (R3)."""
    if not 1 <= len(value) <= MAX_LENGTH or value != value.strip():
        return False
    return _NAME.fullmatch(value) is not None and _names_one_file(value)


def check_metric_name(value: str, catalogue: Catalogue) -> Violation | None:
    """The fault of a benchmark metric whatever it measures, or None."""
    if is_metric_name(value):
        return None
    meant = catalogue.meant_by(value)
    return Violation(
        BENCHMARK_METRIC_TAG,
        "benchmark_metric_invalid",
        f"Benchmark metric name invalid: {shown(value)} in tag {BENCHMARK_METRIC_TAG}. Use a "
        "metric name such as 'accuracy': ASCII letters, digits, and / _ . - : or inner spaces, "
        f"1 to {MAX_LENGTH} characters.{'' if meant is None else f' Did you mean `{meant.name}`?'}",
    )


def check_known_metric(value: str, catalogue: Catalogue) -> Violation | None:
    """The fault of naming a metric that is a known one but for its spelling, or is not known.

    Asked when the name is written: what is there already counts as the metric that it looks like.
    """
    if not is_metric_name(value) or value in catalogue:
        return None
    meant = catalogue.meant_by(value)
    if meant is not None:
        message = f"Benchmark metric {shown(value)} is not known; did you mean `{meant.name}`?"
        return Violation(BENCHMARK_METRIC_TAG, "benchmark_metric_look_alike", message)
    if not catalogue.closed:
        return None
    return Violation(
        BENCHMARK_METRIC_TAG,
        "benchmark_metric_unknown",
        f"Benchmark metric {shown(value)} is not in the metric catalogue, and this registry takes "
        "no other (HOKUSAI_METRICS_POLICY=catalogue). 'hokusai-mlflow metrics list' shows them.",
    )


def _names_one_file(value: str) -> bool:
    path = posixpath.normpath(value)
    return path == value and path != "." and not path.startswith(("..", "/"))
