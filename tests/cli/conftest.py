"""What the commands work on."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.registry import METRIC, TOKEN, VALUE, create_version, token_tags
from support.servers import mlflow_server


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def old_database_uri(stock_database_uri):
    """A stock MLflow's database: two versions conform, two do not, for three reasons."""
    stock = SqlAlchemyStore(stock_database_uri)
    create_version(stock, "good", tags=token_tags(**{VALUE: "0.5"}))
    create_version(stock, "good", tags=token_tags(**{VALUE: "0.7"}))
    create_version(stock, 'bad, "so"', tags=token_tags(**{TOKEN: "img_001", VALUE: "nan"}))
    create_version(stock, "pending", tags={TOKEN: "IMG-001", METRIC: "accuracy"})
    return stock_database_uri


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A token-aware server with two versions of one token."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as found:
        client = MlflowClient(tracking_uri=found.uri, registry_uri=found.uri)
        client.create_registered_model("image-classifier")
        for value in ("0.85", "0.87"):
            client.create_model_version(
                "image-classifier",
                "s3://bucket/model",
                tags=token_tags(**{VALUE: value}),
                await_creation_for=0,
            )
        yield found
