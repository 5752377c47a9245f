"""``hokusai-mlflow metrics``: the metric catalogue."""

from __future__ import annotations

from typing import Any

import click

from hokusai_mlflow_plugin.cli.output import (
    output_option,
    print_json,
    print_table,
    reporting_errors,
)
from hokusai_mlflow_plugin.domain.delta import percentage_points
from hokusai_mlflow_plugin.settings import read_settings


@click.group()
def metrics() -> None:
    """The metric catalogue: which way is better, and from when on it pays."""


@metrics.command("list")
@output_option
@reporting_errors
def list_metrics(as_json: bool) -> None:
    """List the metrics, built in and from HOKUSAI_METRICS_FILE.

    \b
    Examples:
      hokusai-mlflow metrics list
      HOKUSAI_METRICS_FILE=metrics.toml hokusai-mlflow metrics list --output json
    """
    rows: list[dict[str, Any]] = [
        {
            "name": metric.name,
            "task": metric.task,
            "direction": metric.direction.value,
            "unit": metric.unit,
            "bounds": metric.bounds_text(),
            "threshold_pp": percentage_points(metric.threshold),
            "aliases": list(metric.aliases),
        }
        for metric in sorted(
            read_settings().catalogue.metrics, key=lambda metric: (metric.task, metric.name)
        )
    ]
    if as_json:
        print_json({"metrics": rows})
    else:
        columns = ("name", "task", "direction", "unit", "bounds", "threshold_pp")
        lines = ([*(r[column] for column in columns), ", ".join(r["aliases"])] for r in rows)
        print_table((*columns, "aliases"), lines)
