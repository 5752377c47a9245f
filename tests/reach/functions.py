"""What MLflow and the client can do with a registry, each on a model that was made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from support import prepared
from support.iris import IrisRun, train_iris_model

from hokusai.core import ModelRegistry

TOKEN_TAGS = {
    "hokusai_token_id": "IRIS-001",
    "benchmark_metric": "accuracy",
    "benchmark_value": "0.9",
}


@dataclass(frozen=True)
class Made:
    """A model that a run has logged, with accuracy 0.9."""

    run: IrisRun
    names: Callable[[], str]


def _log_model(name: str, **arguments: object) -> None:
    with mlflow.start_run():
        mlflow.log_metric("accuracy", 0.9)
        mlflow.sklearn.log_model(
            train_iris_model(),
            name="model",
            pip_requirements=["scikit-learn"],
            registered_model_name=name,
            **arguments,
        )


def log_model(made: Made) -> str:
    _log_model(name := made.names())
    return name


def log_model_with_tags(made: Made) -> str:
    _log_model(name := made.names(), tags=TOKEN_TAGS)
    return name


def log_bound_model(made: Made) -> str:
    ModelRegistry().bind_model(name := made.names(), "IRIS-001", "accuracy")
    _log_model(name)
    return name


def autolog(made: Made) -> str:
    name = made.names()
    mlflow.sklearn.autolog(registered_model_name=name, silent=True, log_datasets=False)
    try:
        train_iris_model()
    finally:
        mlflow.sklearn.autolog(disable=True)
        mlflow.end_run()
    return name


def register_model_of_run(made: Made) -> str:
    mlflow.register_model(made.run.model_uri, name := made.names())
    return name


def register_logged_model(made: Made) -> str:
    mlflow.register_model(f"models:/{made.run.model_id}", name := made.names())
    return name


def create_model_version(made: Made) -> str:
    client, name = MlflowClient(), made.names()
    client.create_registered_model(name)
    source = f"models:/{made.run.model_id}"
    client.create_model_version(name, source, made.run.run_id, model_id=made.run.model_id)
    return name


def register_tokenized_model(made: Made) -> str:
    name = made.names()
    ModelRegistry().register_tokenized_model(
        made.run.model_uri, name, "IRIS-001", "accuracy", "0.9"
    )
    return name


def copy_model_version(made: Made) -> str:
    origin, name = log_bound_model(made), made.names()
    MlflowClient().copy_model_version(f"models:/{origin}/1", name)
    return name


FUNCTIONS = {
    "`log_model(registered_model_name=…)`": log_model,
    "the same, with `tags=` of a token": log_model_with_tags,
    "the same, of a model that is bound to a token": log_bound_model,
    "`autolog(registered_model_name=…)`": autolog,
    '`register_model("runs:/…")`': register_model_of_run,
    '`register_model("models:/m-…")`': register_logged_model,
    "`MlflowClient.create_model_version`": create_model_version,
    "`register_tokenized_model`": register_tokenized_model,
    "`copy_model_version` of a tokenised one": copy_model_version,
}
"""By the names that docs/operations.md has for them."""


def is_loaded(name: str, made: Made, folder: Path) -> bool:
    """Whether others get the model, by number, by alias, as a function, and by the command."""
    client = MlflowClient()
    client.set_registered_model_alias(name, "champion", "1")
    models = [
        mlflow.sklearn.load_model(f"models:/{name}/1"),
        mlflow.sklearn.load_model(f"models:/{name}@champion"),
        mlflow.pyfunc.load_model(f"models:/{name}/1"),
    ]
    command = ["-m", "mlflow", "artifacts", "download"]
    downloaded = folder / name
    command += ["--artifact-uri", f"models:/{name}/1", "--dst-path", str(downloaded)]
    prepared.run(command, env=dict(os.environ), check=True)
    models.append(mlflow.sklearn.load_model(str(downloaded)))
    return all(np.array_equal(each.predict(made.run.sample), made.run.predicted) for each in models)


def outcome(version: ModelVersion, registry: ModelRegistry) -> str:
    """What became of a registration, in a cell's words."""
    if version.source.startswith("models:/") and "/" in version.source.removeprefix("models:/"):
        way = "inside the registry"
    elif "hokusai_origin_tracking_uri" not in version.tags:
        way = "as ever"
    else:
        way = "referred to" if version.source.startswith("s3:") else "copied"
    if "hokusai_token_id" not in version.tags:
        return way
    decision = registry.ask("deltaone/detect", name=version.name)["decision"]
    return f"{way}, {decision['evidence']}"
