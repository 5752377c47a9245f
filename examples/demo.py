"""Train models on a running server, register them under a token, and show what it knows of them.

Usage: python examples/demo.py [URL [PICTURE.png]], default http://127.0.0.1:5000. Each run makes
its own model and token, so it can be run again. With a file name it draws their lineage there.
"""

from __future__ import annotations

import logging
import os
import sys
import time

# Before MLflow is imported: its links to runs would hide the tables.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import requests
import sklearn
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hokusai.core import ModelRegistry

CONTRIBUTOR = "0x742D35Cc6634C0532925A3b844BC9e7595f5B4e1"
MODELS = (
    NearestCentroid(),
    GaussianNB(),
    make_pipeline(StandardScaler(), GaussianNB()),
    LogisticRegression(max_iter=5000),
    RidgeClassifier(),
    make_pipeline(StandardScaler(), LogisticRegression()),
)
"""In this order they are a baseline, a DeltaOne, a worse one, too small a step, two DeltaOnes."""


def main(url: str, picture: str | None = None) -> None:
    """Register the models on the server, and print what it answers; draw it if there is a file."""
    require_server(url)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("hokusai-demo")
    registry = ModelRegistry()

    stamp = time.strftime("%Y%m%d-%H%M%S")
    name, token_id = f"demo-{stamp}", f"DEMO-{stamp}"
    for model in MODELS:
        register(registry, name, token_id, model)

    print(f"\nVersions of token {token_id}, newest first:")
    show(
        ("model", "version", "metric", "value"),
        [
            (each.name, each.version, each.tags["benchmark_metric"], each.tags["benchmark_value"])
            for each in registry.list_models_by_token(token_id)
        ],
    )

    print(f"\nLineage of {name}, oldest first:")
    show(
        ("version", "value", "decision", "parent", "contributor"),
        [
            (
                item.version,
                item.benchmark_value,
                item.decision["outcome"] if item.decision else "-",
                f"version {item.parent.version}" if item.parent else "-",
                item.contributor_address or "-",
            )
            for item in registry.get_model_lineage(name)
        ],
    )
    print(f"\nIn the browser: {registry.get_model_lineage(name).url}")
    if picture:
        draw(registry, name, picture)


def draw(registry: ModelRegistry, name: str, picture: str) -> None:
    """Draw the lineage of a model, under a name that is the same each time."""
    axes = registry.get_model_lineage(name).plot()
    axes.set_title(axes.get_title().replace(name, "demo"))
    axes.figure.savefig(picture, dpi=100)
    print(f"Drawn in {picture}")


def register(
    registry: ModelRegistry,
    name: str,
    token_id: str,
    model: ClassifierMixin,
) -> None:
    """Train and log a model with its accuracy, and register it as the next version."""
    samples, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(samples, labels, test_size=0.3, stratify=labels, random_state=0)
    train_samples, test_samples, train_labels, test_labels = parts
    with mlflow.start_run() as run:
        model.fit(train_samples, train_labels)
        # To the digits that are registered: only what its run logged is backed by it.
        accuracy = round(model.score(test_samples, test_labels), 4)
        mlflow.log_metric("accuracy", accuracy)
        requirements = [f"scikit-learn=={sklearn.__version__}"]
        mlflow.sklearn.log_model(model, name="model", pip_requirements=requirements)
    version = registry.register_tokenized_model(
        model_uri=f"runs:/{run.info.run_id}/model",
        name=name,
        token_id=token_id,
        benchmark_metric="accuracy",
        benchmark_value=f"{accuracy:.4f}",
        tags={"contributor_address": CONTRIBUTOR},
    ).version
    print(f"Registered {name} version {version}: accuracy {accuracy:.4f}")


def require_server(url: str) -> None:
    """Stop with a sentence where no server answers, instead of MLflow's minutes of retries."""
    try:
        requests.get(f"{url}/health", timeout=10).raise_for_status()
    except requests.RequestException as error:
        sys.exit(f"No MLflow server answers at {url}. Start one with: make serve\n({error})")


def show(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table with columns as wide as their widest cell."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip())


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    main(arguments.get(1, "http://127.0.0.1:5000").rstrip("/"), arguments.get(2))
