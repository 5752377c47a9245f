"""MLflow's tables and answers are what the plugin's SQL and JSON take them for."""

from __future__ import annotations

import json

import pytest
from mlflow.store.db.base_sql_model import Base
from mlflow.utils.proto_json_utils import message_to_json
from support.registry import create_version, token_tags

from hokusai_mlflow_plugin.db.schema import mlflow_tables
from hokusai_mlflow_plugin.db.schema.tables import metadata
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token

TABLES = [
    mlflow_tables.registered_models,
    mlflow_tables.registered_model_tags,
    mlflow_tables.registered_model_aliases,
    mlflow_tables.model_versions,
    mlflow_tables.model_version_tags,
    mlflow_tables.latest_metrics,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns(table):
    """Each column that we read is there in MLflow's tables, of the same kind, and keys agree."""
    theirs = Base.metadata.tables[table.name]
    for column in table.columns:
        found = theirs.columns[column.name]
        assert found.type._type_affinity is column.type._type_affinity, column.name
    ours_keys = {column.name for column in table.primary_key}
    assert ours_keys <= {column.name for column in theirs.primary_key}


def test_our_tables_stay_out_of_mlflows_metadata():
    """MLflow would find its schema incomplete without them."""
    assert not set(metadata.tables) & set(Base.metadata.tables)
    assert all(name.startswith("hokusai_") for name in metadata.tables)


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "others",
    [
        {},
        {"run_id": "0123456789abcdef0123456789abcdef", "run_link": "http://x", "description": "é"},
        {"description": ""},
    ],
)
def test_model_version_json(store, others):
    """A version in our answers is, to the letter, what MLflow's own search answers."""
    create_version(store, "a model", token_tags(note='say "hi"\n', empty=""), **others)
    store.set_registered_model_alias("a model", "champion", 1)
    (found,) = store.search_model_versions("name = 'a model'")
    (ours,) = store.ask(list_by_token, "IMG-001")["model_versions"]
    theirs = json.loads(message_to_json(found.to_proto()))
    for version in (ours, theirs):
        version["tags"] = sorted(version["tags"], key=lambda tag: tag["key"])
    assert ours == theirs
