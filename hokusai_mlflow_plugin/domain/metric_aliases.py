"""Other names of the built-in metrics: what libraries call the same number.

A name is here only where it is the same number for the same model, so that an improvement of one is
an improvement of the other. Source: R8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALIASES: Mapping[str, Sequence[str]] = {
    # scikit-learn's functions and scorers.
    "accuracy": ("accuracy_score",),
    "average_precision": ("average_precision_score",),
    "balanced_accuracy": ("balanced_accuracy_score",),
    "explained_variance": ("explained_variance_score",),
    "f1_score": ("f1",),
    "jaccard": ("jaccard_score",),
    "mae": ("mean_absolute_error",),
    "mape": ("mean_absolute_percentage_error",),
    "mse": ("mean_squared_error",),
    "ndcg": ("ndcg_score",),
    "precision": ("precision_score",),
    "r2_score": ("r2",),
    "recall": ("recall_score",),
    "rmse": ("root_mean_squared_error",),
    "roc_auc": ("auc", "roc_auc_score"),
    "top_k_accuracy": ("top_k_accuracy_score",),
    # As MLflow's evaluators log them.
    "bleu_score": ("bleu", "bleu/v1/mean"),
    "exact_match": ("exact_match/v1",),
    "toxicity": ("toxicity/v1/mean",),
    **{name: (f"{name}/v1/mean",) for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")},
    **{
        f"{name}_at_{cutoff}": (f"{name}_at_{cutoff}/mean",)
        for name in ("precision", "recall", "ndcg")
        for cutoff in ("k", 1, 3, 5, 10)
    },
}
"""Canonical name → its other names."""
