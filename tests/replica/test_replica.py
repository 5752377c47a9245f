"""A read replica that lags behind: queries may be answered from it, nothing is judged by it."""

from __future__ import annotations

import shutil
from urllib.parse import urlsplit

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url
from support.engines import dispose_engines
from support.index import assert_index_is_truth
from support.refusals import refused
from support.registry import (
    SOURCE,
    TOKEN,
    VALUE,
    create_version,
    set_model_tag,
    set_tag,
    token_tags,
)
from support.rewards import assert_sound, decided_rows
from support.servers import mlflow_server

from hokusai_mlflow_plugin.services.queries import (
    deltaone,
)
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.queries.tokens import get_token, list_tokens
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.store.registry_store import build_store

REPLICA = "_MLFLOW_SERVER_READ_REPLICA_BACKEND_STORE"
"""Where a server tells its workers of ``MLFLOW_READ_REPLICA_BACKEND_STORE_URI`` (MLflow 3.17)."""


@pytest.fixture
def replica_uri(all_databases, database_uri):
    """A second database of the same kind."""
    databases = all_databases.of(make_url(database_uri).get_backend_name())
    uri = databases.create()
    yield uri
    dispose_engines()
    databases.drop(uri)


@pytest.fixture
def lagging_store(store_factory, database_uri, replica_uri):
    """A store whose replica knows one version of value 0.85 and nothing of what came after."""
    for uri in (database_uri, replica_uri):
        create_version(build_store(f"hokusai+{uri}"))
    return store_factory(**{REPLICA: replica_uri})


def listed_values(store, token="IMG-001"):
    """The values that list-by-token shows."""
    found = store.ask(list_by_token, token)["model_versions"]
    return [tag["value"] for version in found for tag in version["tags"] if tag["key"] == VALUE]


def test_queries_go_to_the_replica(lagging_store):
    """Every query is answered from the replica: what it has not heard of is not there yet."""
    create_version(lagging_store, tags=token_tags(benchmark_value="0.9"))
    create_version(lagging_store, tags=token_tags(hokusai_token_id="NEW-001"))
    assert listed_values(lagging_store) == ["0.85"]
    assert len(lagging_store.ask(get_lineage, "model")["lineage"]) == 1
    tokens = lagging_store.ask(list_tokens)["tokens"]
    assert [each["token_id"] for each in tokens] == ["IMG-001"]
    assert lagging_store.ask(deltaone.detect, "model")["achieved"] is False
    assert lagging_store.ask(list_events)["reward_events"] == []
    with pytest.raises(MlflowException, match="NEW-001"):
        lagging_store.ask(get_token, "NEW-001")
    assert len(lagging_store.search_model_versions("name = 'model'")) == 1


def test_writes_are_judged_by_the_primary(lagging_store):
    """What is refused, indexed and decided rests on what was really committed."""
    create_version(lagging_store, tags={VALUE: "0.855", "benchmark_metric": "accuracy"})
    set_tag(lagging_store, "model", 2, TOKEN, "IMG-001")
    with refused(lagging_store, "cannot be deleted"):
        lagging_store.delete_model_version_tag("model", "2", VALUE)
    with refused(lagging_store, "must be numeric"):
        set_tag(lagging_store, "model", 2, VALUE, "nan")
    set_model_tag(lagging_store, "model", TOKEN, "IMG-001")
    with refused(lagging_store, "carries token"):
        create_version(lagging_store, tags=token_tags(hokusai_token_id="SENT-001"))
    create_version(lagging_store, tags=token_tags(benchmark_value="0.95"))
    compared = [(row["baseline_value"], row["value"]) for row in decided_rows(lagging_store)]
    assert sorted(compared, key=str) == [("0.85", "0.855"), ("0.85", "0.95"), (None, "0.85")]
    assert_index_is_truth(lagging_store)
    assert_sound(lagging_store)


def test_locked_tags_are_found_on_the_primary(lagging_store):
    """A reward that the replica has not heard of locks the tags that it rests on."""
    create_version(lagging_store, tags=token_tags(benchmark_value="0.9"))
    for version in (1, 2):
        with pytest.raises(MlflowException, match="a DeltaOne rests on this version"):
            set_tag(lagging_store, "model", version, VALUE, "0.8")


def test_server_with_a_replica(tmp_path):
    """The routes of a server that was given a replica answer from it, and its rules hold."""
    with mlflow_server(tmp_path) as server:
        client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
        client.create_registered_model("model")
        client.create_model_version("model", SOURCE, tags=token_tags())
    replica = tmp_path / "replica.db"
    shutil.copyfile(urlsplit(server.database_uri).path[1:], replica)
    option = {"MLFLOW_READ_REPLICA_BACKEND_STORE_URI": f"sqlite:///{replica}"}
    with mlflow_server(tmp_path, environ=option) as server:
        client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
        client.create_model_version("model", SOURCE, tags=token_tags(benchmark_value="0.98765"))
        with pytest.raises(MlflowException, match="a DeltaOne rests on this version"):
            client.set_model_version_tag("model", "2", VALUE, "0.8")
        url = f"{server.uri}/api/2.0/hokusai/model-versions/list-by-token"
        answer = requests.get(url, params={"token_id": "IMG-001"}, timeout=60).json()
        assert [version["version"] for version in answer["model_versions"]] == ["1"]
        for page, known in (
            ("", ">0.85<"),
            ("token?token_id=IMG-001", ">0.85<"),
            ("model?name=model", "v1"),
            ("version?name=model&version=1", "0.85"),
            ("ledger", "No reward event"),
        ):
            shown = requests.get(f"{server.uri}/hokusai/{page}", timeout=60)
            assert known in shown.text
            assert "0.98765" not in shown.text
        unknown = f"{server.uri}/hokusai/version?name=model&version=2"
        assert requests.get(unknown, timeout=60).status_code == 400
