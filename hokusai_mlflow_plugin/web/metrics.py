"""Counters in MLflow's Prometheus exporter (``--expose-prometheus``).

They are kept as MLflow's own are: in the exporter's folder, added up over all worker processes, and
shown at ``/metrics``. Without the exporter nothing is counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, g, request

EXPORTER_VARIABLE = "prometheus_multiproc_dir"
"""Set by ``mlflow server --expose-prometheus`` for its workers, and read by prometheus_client."""

METRICS_PATH = "/metrics"

Observer = Callable[[str, Mapping[str, Any]], None]
OutboxAge = Callable[[], float]
"""Seconds that the oldest reward event waits for its delivery; 0 where none waits."""


def is_exported() -> bool:
    """Whether the server runs with MLflow's exporter."""
    return EXPORTER_VARIABLE in os.environ


def count_requests(app: Flask, is_ours: Callable[[str], bool], outbox_age: OutboxAge) -> Observer:
    """Count our routes' requests, and ask for the age of the outbox when metrics are read.

    Args:
        app: MLflow's Flask app.
        is_ours: Whether the endpoint of this name is one of ours.
        outbox_age: Asked for each time that the metrics are read.

    Returns:
        Counts what ``store.registry_log`` observes.
    """
    # It comes with the exporter, which is optional.
    from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415

    seconds = Histogram(
        "hokusai_http_request_duration_seconds",
        "Requests to the routes of the registry.",
        ("route", "method", "status"),
    )
    refusals = Counter("hokusai_refusals", "Refused writes, by the rule they broke.", ("rule",))
    passes = Counter(
        "hokusai_let_pass", "Writes that policy audit did not refuse, by the rule.", ("rule",)
    )
    decisions = Counter("hokusai_decisions", "Decisions on versions, by outcome.", ("outcome",))
    by_event = {"refused": refusals, "let_pass": passes}
    age = Gauge(
        "hokusai_outbox_age_seconds",
        "How long the oldest reward event has waited for its delivery.",
        # All workers look at the same outbox: added up it would be as many times as old.
        multiprocess_mode="mostrecent",
    )

    def begin() -> None:
        g.hokusai_began_s = time.perf_counter()
        if request.path == METRICS_PATH:
            age.set(outbox_age())

    def end(response: Response) -> Response:
        began_s = g.get("hokusai_began_s")  # not there where the request was refused before
        endpoint = request.endpoint or ""
        if began_s is not None and is_ours(endpoint):
            route = getattr(app.view_functions[endpoint], "path", "unknown")
            labels = (route, request.method, str(response.status_code))
            seconds.labels(*labels).observe(time.perf_counter() - began_s)
        return response

    def observe(what: str, facts: Mapping[str, Any]) -> None:
        if what == "decided":
            decisions.labels(facts["outcome"]).inc()
        for rule in facts.get("rules", ()):
            by_event[what].labels(rule).inc()

    app.before_request(begin)
    app.after_request(end)
    return observe
