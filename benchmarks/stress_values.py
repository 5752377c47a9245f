"""What a client of the stress run writes: to which models, and with which tags."""

from __future__ import annotations

import random

from stress_strikes import METRIC, TOKEN, VALUE

LASTING = ("model-0", "model-1", "model-2")
"""Models that are never renamed or deleted; their token can only be that of TOKENS."""
TOKENS = {"model-0": "TOK-0", "model-1": "TOK-1", "model-2": "TOK-2"}
SWAPPED = ("swap-a", "swap-b")
"""Names between which one model is renamed to and fro."""
CHURNED = ("churn-0", "churn-1", "churn-2")
"""Models that are created, renamed and deleted."""
SHARED_VERSIONS = ("1", "2", "3")
"""Versions of each lasting model that everybody writes to."""

NOTES = ("note", "framework", "dataset_version")
ADDRESS = "0x742d35cc6634c0532925a3b844bc9e7595f5b4e1"


class Values:
    """Tags to be written; ``steps`` counts what the client has done so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.steps = 0

    def valid_tags(self, token: str) -> dict[str, str]:
        metric = self.rng.choice(["accuracy", "rmse"])
        return {TOKEN: token, METRIC: metric, VALUE: self.value(metric)}

    def value(self, metric: str) -> str:
        """A valid value; those of rmse fall with time, so that DeltaOne never ceases."""
        if metric == "accuracy":
            return f"{self.rng.uniform(0, 1):.3f}"
        return f"{1000 - self.steps * 0.05 + self.rng.uniform(-1, 1):.3f}"

    def ruled_tag(self, token: str) -> tuple[str, str]:
        """A tag that the rules look at; one in four is wrong in itself, others beside others."""
        key = self.rng.choice([TOKEN, METRIC, VALUE, VALUE, "contributor", "other"])
        if key == "other":
            key = self.rng.choice(["contributor_address", "benchmark_direction"])
        choices = {
            TOKEN: [token, token, token, "TOK-X", "tok_1", ""],
            METRIC: ["accuracy", "rmse", "throughput", " rmse"],
            VALUE: [self.value("accuracy"), self.value("rmse"), "0_5", "1e400"],
            "contributor": ["alice", "bob", ADDRESS],
            "contributor_address": ["alice", ADDRESS],
            "benchmark_direction": ["maximize", "minimize", "sideways"],
        }
        return key, self.rng.choice(choices[key])
