"""What the registry knows of each metric: which way is better, in what unit, within what bounds.

Source: design R8, specification section "Consistent Metric Names".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from hokusai_mlflow_plugin.domain.values import plain

DEFAULT_THRESHOLD = Decimal("0.01")
"""One percentage point."""


class Direction(str, Enum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> int:
        return 1 if self is Direction.MAXIMIZE else -1


@dataclass(frozen=True)
class Metric:
    """One metric of the catalogue."""

    name: str
    task: str
    direction: Direction
    unit: str
    lower: Decimal | None = None
    upper: Decimal | None = None
    threshold: Decimal = DEFAULT_THRESHOLD
    """The least improvement that is a DeltaOne, in the metric's own unit."""

    def bounds_text(self) -> str:
        """The bounds for people: ``0 to 1``, ``at least 0``, or nothing."""
        if self.lower is not None and self.upper is not None:
            return f"{plain(self.lower)} to {plain(self.upper)}"
        if self.lower is not None:
            return f"at least {plain(self.lower)}"
        return "" if self.upper is None else f"at most {plain(self.upper)}"

    def allows(self, value: Decimal) -> bool:
        """Whether a value lies within the bounds, ends included."""
        above = self.lower is None or value >= self.lower
        return above and (self.upper is None or value <= self.upper)


Catalogue = Mapping[str, Metric]

STANDARD_METRICS = {
    "classification": ["accuracy", "f1_score", "precision", "recall"],
    "regression": ["rmse", "mae", "r2_score"],
    "nlp": ["perplexity", "bleu_score", "rouge_score"],
    "ranking": ["ndcg", "map", "mrr"],
}
"""The specification's standard metrics by task."""


def _metrics(
    task: str,
    direction: Direction,
    names: Iterable[str],
    lower: str | None = None,
    upper: str | None = None,
    unit: str = "proportion",
) -> list[Metric]:
    low, high = (None if bound is None else Decimal(bound) for bound in (lower, upper))
    return [Metric(name, task, direction, unit, low, high) for name in names]


_MAX, _MIN = Direction.MAXIMIZE, Direction.MINIMIZE

_BUILT_IN = [
    *_metrics("classification", _MAX, STANDARD_METRICS["classification"], "0", "1"),
    # scikit-learn's scorers and MLflow's classification evaluator.
    *_metrics(
        "classification",
        _MAX,
        [
            "accuracy_score",
            "balanced_accuracy",
            "balanced_accuracy_score",
            "average_precision",
            "average_precision_score",
            "f1",
            "jaccard",
            "jaccard_score",
            "precision_score",
            "recall_score",
            "precision_recall_auc",
            "roc_auc",
            "roc_auc_score",
            "top_k_accuracy",
        ],
        "0",
        "1",
    ),
    *_metrics(
        "classification",
        _MAX,
        ["matthews_corrcoef", "cohen_kappa_score"],
        "-1",
        "1",
        "correlation",
    ),
    *_metrics("classification", _MIN, ["log_loss"], "0", None, "nats"),
    *_metrics("classification", _MIN, ["brier_score_loss", "hamming_loss"], "0", "1"),
    *_metrics("regression", _MIN, ["rmse", "mae"], "0", None, "target unit"),
    *_metrics("regression", _MAX, ["r2_score"], None, "1"),
    *_metrics(
        "regression",
        _MIN,
        ["mean_absolute_error", "median_absolute_error", "root_mean_squared_error", "max_error"],
        "0",
        None,
        "target unit",
    ),
    *_metrics("regression", _MIN, ["mse", "mean_squared_error"], "0", None, "squared target unit"),
    *_metrics(
        "regression",
        _MIN,
        ["mape", "mean_absolute_percentage_error", "mean_squared_log_error"],
        "0",
        None,
        "ratio",
    ),
    *_metrics("regression", _MAX, ["r2", "explained_variance"], None, "1"),
    *_metrics("nlp", _MIN, ["perplexity"], "1", None, "perplexity"),
    *_metrics("nlp", _MAX, ["bleu_score", "rouge_score"], "0", "1"),
    *_metrics(
        "nlp",
        _MAX,
        ["bleu", "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match", "meteor"],
        "0",
        "1",
    ),
    *_metrics("nlp", _MIN, ["wer", "cer", "toxicity"], "0", None, "ratio"),
    *_metrics("ranking", _MAX, STANDARD_METRICS["ranking"], "0", "1"),
    *_metrics(
        "ranking", _MAX, ["ndcg_score", "precision_at_k", "recall_at_k", "ndcg_at_k"], "0", "1"
    ),
]

BUILT_IN: Catalogue = {metric.name: metric for metric in _BUILT_IN}
"""The metrics that every registry knows, by name."""
