"""R8: which way each metric of the catalogue is better.

A wrong direction here would pay money for getting worse, so each one is checked against a source
that knows: the specification, scikit-learn's scorers (greater is better, always), its functions
(by their documented suffix), and MLflow's ``greater_is_better``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import mlflow.metrics
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from mlflow.models import EvaluationMetric
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN, STANDARD_METRICS
from hokusai_mlflow_plugin.domain.metric_catalogue import DEFAULT_THRESHOLD, Direction, Metric
from hokusai_mlflow_plugin.domain.metrics import is_metric_name

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE
SPECIFICATION = Path(__file__).parents[2] / "docs" / "model-registry.md"

MINIMISED = {
    *("rmse", "mae", "perplexity"),
    *("mse", "mape", "mean_squared_error", "mean_absolute_error", "root_mean_squared_error"),
    *("median_absolute_error", "max_error", "mean_absolute_percentage_error"),
    *("mean_squared_log_error", "root_mean_squared_log_error", "mean_pinball_loss"),
    *("mean_gamma_deviance", "mean_poisson_deviance", "mean_tweedie_deviance"),
    *("log_loss", "hinge_loss", "hamming_loss", "zero_one_loss", "brier_score_loss"),
    *("wer", "cer", "toxicity", "toxicity/v1/mean"),
    *("label_ranking_loss", "coverage_error", "davies_bouldin_score"),
}
"""All that gets better by falling; the rest by rising."""

WITHOUT_DIRECTION = {
    *("example_count", "sum_on_target", "mean_on_target", "score"),
    *("true_positives", "true_negatives", "false_positives", "false_negatives"),
}
"""What MLflow's evaluators log that says nothing about quality, or could mean anything."""


def test_standard_metrics_are_those_of_the_specification():
    """``STANDARD_METRICS`` is the specification's own block, word for word."""
    blocks = re.findall(r"STANDARD_METRICS = (\{.*?\n\})", SPECIFICATION.read_text(), re.DOTALL)
    assert [eval(block) for block in blocks] == [STANDARD_METRICS]  # noqa: S307  # our own document


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in STANDARD_METRICS.items() for name in names]
)
def test_standard_metric(task, name):
    """Each standard metric has its task, a direction, a unit, bounds and one point as threshold."""
    metric = BUILT_IN[name]
    assert metric.task == task
    assert metric.direction is (MIN if name in {"rmse", "mae", "perplexity"} else MAX)
    assert metric.unit
    assert metric.bounds_text()
    assert metric.threshold == DEFAULT_THRESHOLD == Decimal("0.01")


def test_every_direction():
    """Exactly the metrics listed here are minimised; a new one has to be thought about."""
    assert {name for name, metric in BUILT_IN.items() if metric.direction is MIN} == MINIMISED


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_entry(name):
    """Each metric can be named in MLflow, has a unit, bounds that are some, and a threshold."""
    metric = BUILT_IN[name]
    assert name in metric.names
    assert is_metric_name(name)
    assert metric.unit
    assert metric.task
    assert metric.threshold > 0
    assert metric.lower is not None or metric.upper is not None
    if metric.lower is not None and metric.upper is not None:
        assert metric.lower < metric.upper


@pytest.mark.parametrize("name", sorted(sklearn.metrics.get_scorer_names()))
def test_scorer_of_scikit_learn(name):
    """scikit-learn's scorers are all there, and rise by its convention."""
    assert BUILT_IN[name].direction is MAX


FUNCTIONS = [
    name
    for name in sklearn.metrics.__all__
    if name.endswith(("_score", "_loss", "_error", "_deviance", "_corrcoef"))
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_of_scikit_learn(name):
    """By scikit-learn's convention ``_score`` rises and ``_error`` and ``_loss`` fall.

    Davies-Bouldin is its one exception: "The minimum score is zero, with lower values indicating
    better clustering".
    """
    falls = name.endswith(("_loss", "_error", "_deviance")) or name == "davies_bouldin_score"
    assert BUILT_IN[name].direction is (MIN if falls else MAX)


REGRESSION_FUNCTIONS = [
    name
    for name in FUNCTIONS
    if BUILT_IN[name].task == "regression" and name != "mean_gamma_deviance"
]


@pytest.mark.parametrize("name", [*REGRESSION_FUNCTIONS, "mean_gamma_deviance"])
def test_regression_metric_prefers_the_better_model(name):
    """A model that is right everywhere beats one that is off, in the catalogue's direction."""
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    function = getattr(sklearn.metrics, name)
    right, off = function(truth, truth), function(truth, truth[::-1])
    assert (right - off) * BUILT_IN[name].direction.sign > 0
    for value in (right, off):
        assert BUILT_IN[name].allows(Decimal(str(float(value))))


CLASSIFIED = [
    *("accuracy_score", "balanced_accuracy_score", "f1_score", "jaccard_score", "precision_score"),
    *("recall_score", "matthews_corrcoef", "cohen_kappa_score", "hamming_loss", "zero_one_loss"),
    *("roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss", "hinge_loss"),
    *("d2_log_loss_score", "d2_brier_score", "adjusted_rand_score", "rand_score"),
    *("normalized_mutual_info_score", "mutual_info_score", "v_measure_score"),
    *("completeness_score", "homogeneity_score", "fowlkes_mallows_score"),
    "adjusted_mutual_info_score",
]


@pytest.mark.parametrize("name", [n for n in CLASSIFIED if hasattr(sklearn.metrics, n)])
def test_classification_metric_prefers_the_better_model(name):
    """A classifier that is right everywhere beats one that is half wrong."""
    truth = np.array([0, 0, 1, 1, 0, 1])
    function = getattr(sklearn.metrics, name)
    right, off = function(truth, truth), function(truth, np.array([0, 1, 1, 0, 0, 1]))
    assert (right - off) * BUILT_IN[name].direction.sign > 0
    for value in (right, off):
        assert BUILT_IN[name].allows(Decimal(str(float(value))))


MLFLOW_METRICS = [
    *("mae", "mse", "rmse", "r2_score", "max_error", "mape"),
    *("recall_score", "precision_score", "f1_score"),
    *("rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "toxicity", "exact_match"),
    *("precision_at_k", "recall_at_k", "ndcg_at_k"),
]


@pytest.mark.parametrize("factory", MLFLOW_METRICS)
def test_metric_of_mlflow(factory):
    """MLflow's own metrics are there with MLflow's own direction, also by the name they log."""
    make = getattr(mlflow.metrics, factory)
    metric: EvaluationMetric = make(3) if factory.endswith("_at_k") else make()
    logged = metric.name if metric.version is None else f"{metric.name}/{metric.version}"
    for name in (factory, metric.name, logged, f"{logged}/mean"):
        if name in BUILT_IN:
            assert (BUILT_IN[name].direction is MAX) == metric.greater_is_better
    assert logged in BUILT_IN or f"{logged}/mean" in BUILT_IN


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    """A tracking store of this test's own."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield
    mlflow.set_tracking_uri(None)


@pytest.mark.usefixtures("tracking")
def test_what_evaluate_logs():
    """All that ``mlflow.models.evaluate`` logs about quality is in the catalogue, within bounds."""
    for logged in (_regressor(), _retriever(), *map(_classifier, (load_iris, load_breast_cancer))):
        quality = {
            name: value
            for name, value in logged.items()
            if not name.endswith(("/variance", "/p90")) and name not in WITHOUT_DIRECTION
        }
        assert quality
        assert set(quality) <= set(BUILT_IN)
        for name, value in quality.items():
            assert BUILT_IN[name].allows(Decimal(str(float(value))))


def _evaluated(data, **arguments) -> dict[str, float]:
    with mlflow.start_run():
        return mlflow.models.evaluate(data=data, **arguments).metrics


def _regressor() -> dict[str, float]:
    data = pd.DataFrame({"truth": [1.0, 2.0, 3.0], "said": [1.5, 2.0, 2.5]})
    return _evaluated(data, targets="truth", predictions="said", model_type="regressor")


def _retriever() -> dict[str, float]:
    data = pd.DataFrame({"q": ["a", "b"], "truth": [["x"], ["y"]], "said": [["x", "z"], ["w"]]})
    return _evaluated(data, targets="truth", predictions="said", model_type="retriever")


def _classifier(load) -> dict[str, float]:
    features, labels = load(return_X_y=True)
    model = LogisticRegression(max_iter=5000).fit(features, labels)
    data = pd.DataFrame(features, columns=[str(n) for n in range(features.shape[1])])
    with mlflow.start_run():
        uri = mlflow.sklearn.log_model(model, name="model").model_uri
    quiet = {"log_explainer": False, "log_model_explainability": False}
    return _evaluated(
        data.assign(truth=labels),
        model=uri,
        targets="truth",
        model_type="classifier",
        evaluator_config=quiet,
    )


@pytest.mark.parametrize(
    ("lower", "upper", "inside", "outside", "text"),
    [
        (
            "0",
            "1",
            ["0", "1", "0.5"],
            ["-0.000000000000000001", "1.7", "1.000000000000000001"],
            "0 to 1",
        ),
        ("0", None, ["0", "1e37"], ["-1"], "at least 0"),
        (None, "1", ["-1e37", "1"], ["1.1"], "at most 1"),
        (None, None, ["-1e37", "1e37"], [], ""),
    ],
)
def test_bounds(lower, upper, inside, outside, text):
    """A value lies within the bounds with both ends included; the text says what they are."""
    low, high = (None if bound is None else Decimal(bound) for bound in (lower, upper))
    metric = Metric("m", "task", MAX, "unit", low, high)
    assert all(metric.allows(Decimal(value)) for value in inside)
    assert not any(metric.allows(Decimal(value)) for value in outside)
    assert metric.bounds_text() == text


def test_sign():
    """The sign turns a difference into an improvement."""
    assert (MAX.sign, MIN.sign) == (1, -1)
