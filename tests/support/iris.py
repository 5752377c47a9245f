"""A real scikit-learn model on a bundled data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class IrisRun:
    """A run with a logged model, and what the model answers."""

    run_id: str
    model_id: str
    sample: np.ndarray
    predicted: np.ndarray

    @property
    def model_uri(self) -> str:
        return f"runs:/{self.run_id}/model"


def train_iris_model(_data: object = None) -> LogisticRegression:
    """Train on the whole of Iris."""
    features, species = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=500).fit(features, species)


def log_iris_model(**log_model_arguments: Any) -> IrisRun:
    """Train a model and log it, in a run of its own, where MLflow is pointed at.

    MLflow would take seconds to find out which packages the model needs; they are named instead.
    """
    model = train_iris_model()
    sample = load_iris().data[::10]
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(
            model, name="model", pip_requirements=["scikit-learn"], **log_model_arguments
        )
    return IrisRun(run.info.run_id, logged.model_id, sample, model.predict(sample))
