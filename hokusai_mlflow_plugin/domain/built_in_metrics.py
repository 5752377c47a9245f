"""The metrics that every registry knows, by task.

Source: R8, specification section "Consistent Metric Names".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hokusai_mlflow_plugin.domain.metric_aliases import ALIASES
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue, Direction, Metric

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
    return [
        Metric(name, task, direction, unit, low, high, aliases=tuple(ALIASES.get(name, ())))
        for name in names
    ]


_MAX, _MIN = Direction.MAXIMIZE, Direction.MINIMIZE
_AVERAGES = ("macro", "micro", "samples", "weighted")
_CUTOFFS = ("k", 1, 3, 5, 10)


def _averaged(*names: str) -> list[str]:
    """scikit-learn's scorers that average a metric over classes."""
    return [f"{name}_{average}" for name in names for average in _AVERAGES]


def _at_cutoffs(*names: str) -> list[str]:
    """A ranking metric at the usual cutoffs."""
    return [f"{name}_at_{k}" for name in names for k in _CUTOFFS]


_CLASSIFICATION = [
    *_metrics("classification", _MAX, STANDARD_METRICS["classification"], "0", "1"),
    # scikit-learn's scorers and functions, and MLflow's classification evaluator.
    *_metrics(
        "classification",
        _MAX,
        [
            *("jaccard", *_averaged("f1", "jaccard", "precision", "recall")),
            *("fbeta_score", "balanced_accuracy", "top_k_accuracy"),
            *("average_precision", "precision_recall_auc", "roc_auc"),
            *("roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted"),
        ],
        "0",
        "1",
    ),
    *_metrics(
        "classification", _MAX, ["matthews_corrcoef", "cohen_kappa_score"], "-1", "1", "correlation"
    ),
    *_metrics("classification", _MAX, ["d2_brier_score", "d2_log_loss_score"], None, "1"),
    *_metrics("classification", _MAX, ["positive_likelihood_ratio"], "0", None, "ratio"),
    *_metrics("classification", _MIN, ["hamming_loss", "zero_one_loss"], "0", "1"),
    # Over several classes it goes up to 2.
    *_metrics("classification", _MIN, ["brier_score_loss"], "0", "2"),
    *_metrics("classification", _MIN, ["log_loss"], "0", None, "nats"),
    *_metrics("classification", _MIN, ["hinge_loss"], "0", None, "margin"),
    *_metrics("classification", _MAX, ["neg_brier_score"], "-2", "0"),
    *_metrics("classification", _MAX, ["neg_log_loss"], None, "0", "nats"),
    *_metrics("classification", _MAX, ["neg_negative_likelihood_ratio"], None, "0", "ratio"),
]

_ALIASES = {alias for aliases in ALIASES.values() for alias in aliases}

_ERRORS = {
    "target unit": [
        "mean_absolute_error",
        "median_absolute_error",
        "root_mean_squared_error",
        "max_error",
    ],
    "squared target unit": ["mean_squared_error"],
    "ratio": [
        "mean_absolute_percentage_error",
        "mean_squared_log_error",
        "root_mean_squared_log_error",
    ],
    "deviance": ["mean_gamma_deviance", "mean_poisson_deviance"],
}
"""scikit-learn's error functions by unit; each is a scorer too, negated."""

_REGRESSION = [
    *_metrics("regression", _MIN, ["rmse", "mae"], "0", None, "target unit"),
    *_metrics("regression", _MAX, ["r2_score"], None, "1"),
    *_metrics("regression", _MIN, ["mse"], "0", None, "squared target unit"),
    *_metrics("regression", _MIN, ["mape"], "0", None, "ratio"),
    *(
        m
        for unit, names in _ERRORS.items()
        for m in _metrics("regression", _MIN, names, "0", None, unit)
        if m.name not in _ALIASES
    ),
    *(
        m
        for unit, names in _ERRORS.items()
        for m in _metrics("regression", _MAX, [f"neg_{n}" for n in names], None, "0", unit)
    ),
    *_metrics("regression", _MIN, ["mean_pinball_loss"], "0", None, "target unit"),
    *_metrics("regression", _MIN, ["mean_tweedie_deviance"], "0", None, "deviance"),
    *_metrics("regression", _MAX, ["explained_variance"], None, "1"),
    *_metrics(
        "regression",
        _MAX,
        ["d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score"],
        None,
        "1",
    ),
]

_NLP = [
    *_metrics("nlp", _MIN, ["perplexity"], "1", None, "perplexity"),
    *_metrics("nlp", _MAX, ["bleu_score", "rouge_score"], "0", "1"),
    *_metrics(
        "nlp",
        _MAX,
        [
            *("rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match", "meteor"),
        ],
        "0",
        "1",
    ),
    *_metrics("nlp", _MIN, ["toxicity"], "0", "1"),
    *_metrics("nlp", _MIN, ["wer", "cer"], "0", None, "ratio"),
]

_RANKING = [
    *_metrics("ranking", _MAX, STANDARD_METRICS["ranking"], "0", "1"),
    *_metrics(
        "ranking",
        _MAX,
        [
            "label_ranking_average_precision_score",
            *_at_cutoffs("precision", "recall", "ndcg"),
        ],
        "0",
        "1",
    ),
    *_metrics("ranking", _MAX, ["dcg_score"], "0", None, "gain"),
    *_metrics("ranking", _MIN, ["label_ranking_loss"], "0", "1"),
    *_metrics("ranking", _MIN, ["coverage_error"], "0", None, "labels"),
]

_CLUSTERING = [
    *_metrics(
        "clustering",
        _MAX,
        [
            *("completeness_score", "homogeneity_score", "v_measure_score", "rand_score"),
            *("fowlkes_mallows_score", "normalized_mutual_info_score", "consensus_score"),
        ],
        "0",
        "1",
    ),
    *_metrics(
        "clustering",
        _MAX,
        ["adjusted_mutual_info_score", "adjusted_rand_score", "silhouette_score"],
        "-1",
        "1",
        "correlation",
    ),
    *_metrics("clustering", _MAX, ["mutual_info_score"], "0", None, "nats"),
    *_metrics("clustering", _MAX, ["calinski_harabasz_score"], "0", None, "ratio"),
    *_metrics("clustering", _MIN, ["davies_bouldin_score"], "0", None, "ratio"),
]

_BUILT_IN = [*_CLASSIFICATION, *_REGRESSION, *_NLP, *_RANKING, *_CLUSTERING]
BUILT_IN = Catalogue(_BUILT_IN)
"""The metrics that every registry knows."""
