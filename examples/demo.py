"""Train two models on a running server, register them under a token, and show what it knows.

Usage: python examples/demo.py [URL], default http://127.0.0.1:5000. Each run makes its own model
and token, so it can be run again.
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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hokusai.core import ModelRegistry

CONTRIBUTOR = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"


def main(url: str) -> None:
    """Register a weak and a better model on the server, and print what it answers."""
    require_server(url)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("hokusai-demo")
    registry = ModelRegistry()

    stamp = time.strftime("%Y%m%d-%H%M%S")
    name, token_id = f"demo-{stamp}", f"DEMO-{stamp}"
    register(registry, name, token_id, GaussianNB())
    better = make_pipeline(StandardScaler(), LogisticRegression())
    register(registry, name, token_id, better, {"contributor_address": CONTRIBUTOR})

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
        ("version", "value", "decision", "improves on", "contributor"),
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
    print(f"\nIn the browser: {url}/#/models/{name}")


def register(
    registry: ModelRegistry,
    name: str,
    token_id: str,
    model: ClassifierMixin,
    tags: dict[str, str] | None = None,
) -> None:
    """Train and log a model with its accuracy, and register it as the next version."""
    samples, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(samples, labels, test_size=0.3, stratify=labels, random_state=0)
    train_samples, test_samples, train_labels, test_labels = parts
    with mlflow.start_run() as run:
        model.fit(train_samples, train_labels)
        accuracy = model.score(test_samples, test_labels)
        mlflow.log_metric("accuracy", accuracy)
        requirements = [f"scikit-learn=={sklearn.__version__}"]
        mlflow.sklearn.log_model(model, name="model", pip_requirements=requirements)
    version = registry.register_tokenized_model(
        model_uri=f"runs:/{run.info.run_id}/model",
        name=name,
        token_id=token_id,
        benchmark_metric="accuracy",
        benchmark_value=f"{accuracy:.4f}",
        tags=tags,
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
    main(sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:5000")
