"""MLflow is upgraded beneath a registry that the plugin has filled."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import registry_rows
from support.registry import VALUE, create_version, set_tag, token_tags
from support.rewards import assert_sound, paid

from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.store.registry_store import build_store


def revision_and_own_rows(database_uri):
    """MLflow's revision of a database, and every row of the plugin's tables."""
    engine = create_engine(database_uri)
    with engine.connect() as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        own_revision = connection.scalar(text("SELECT version_num FROM alembic_version_hokusai"))
        assert migrations.differences(connection) == []
    rows = {
        table: rows for table, rows in registry_rows(engine).items() if table.startswith("hokusai_")
    }
    engine.dispose()
    return revision, (own_revision, rows)


def test_from_the_oldest_to_the_newest(old_database_uri, mlflow_command):
    """'mlflow db upgrade' leaves every row of the plugin's, and the index is still the truth."""
    before, own_before = revision_and_own_rows(old_database_uri)
    mlflow_command("db", "upgrade", old_database_uri)
    after, own_after = revision_and_own_rows(old_database_uri)
    assert before != after
    assert own_after == own_before

    store = build_store(f"hokusai+{old_database_uri}")
    assert len(indexed_versions(store)) == 6
    assert_index_is_truth(store)
    assert_sound(store)
    assert paid(store) == [("model", "3", "2")]


def test_writing_on(old_database_uri, mlflow_command):
    """After the upgrade the series goes on from its head, renames reach the index, rules hold."""
    mlflow_command("db", "upgrade", old_database_uri)
    store = build_store(f"hokusai+{old_database_uri}")
    create_version(store, tags=token_tags(benchmark_value="0.88"))
    assert paid(store)[1:] == [("model", "4", "1")]
    set_tag(store, "part", 1, VALUE, "0.9")
    store.rename_registered_model("model", "renamed again")
    store.delete_registered_model("owned")
    assert len(indexed_versions(store)) == 6
    assert_index_is_truth(store)
    assert_sound(store)
