"""MLflow's own maintenance commands on a database with the plugin's tables."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from mlflow.entities import Workspace
from mlflow.exceptions import MlflowException
from mlflow.store.workspace.sqlalchemy_store import SqlAlchemyStore as WorkspaceStore
from mlflow.utils.workspace_context import WorkspaceContext
from support.index import assert_index_is_truth, indexed_rows, indexed_versions
from support.refusals import registry_rows
from support.registry import VALUE, create_version, set_tag, token_tags
from support.rewards import assert_sound, faults, paid

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import backfill, maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Kind

HARMLESS = [
    ("db", "upgrade"),
    ("db", "delete-trace-rollups", "--yes"),
]


@pytest.fixture
def filled_store(store):
    """A store with a DeltaOne."""
    for value in ("0.85", "0.9"):
        create_version(store, tags=token_tags(benchmark_value=value))
    return store


@pytest.mark.parametrize("command", HARMLESS, ids=" ".join)
def test_commands_that_leave_the_registry_alone(
    filled_store, database_uri, mlflow_command, command
):
    """They change no row of the registry's or the plugin's."""
    before = registry_rows(filled_store.engine)
    mlflow_command(*command, database_uri)
    assert registry_rows(filled_store.engine) == before


def test_collecting_garbage(store, database_uri, mlflow_command, tmp_path):
    """A version outlives the run that it came from, with its tags, its decision and its reward."""
    client = MlflowClient(tracking_uri=database_uri)
    experiment = client.create_experiment("garbage", artifact_location=str(tmp_path / "artifacts"))
    runs = [client.create_run(experiment).info.run_id for _ in range(2)]
    for run, value in zip(runs, ("0.85", "0.9"), strict=True):
        client.log_metric(run, "accuracy", float(value))
        create_version(store, tags=token_tags(benchmark_value=value), run_id=run)
        client.delete_run(run)
    before = registry_rows(store.engine)
    mlflow_command("gc", "--backend-store-uri", database_uri, "--tracking-uri", database_uri)
    with pytest.raises(Exception, match="not found"):
        client.get_run(runs[0])
    assert registry_rows(store.engine) == before
    assert_index_is_truth(store)
    assert_sound(store)
    create_version(store, tags=token_tags(benchmark_value="0.95"))
    assert [version for _, version, _ in paid(store)] == ["2", "3"]


@pytest.fixture
def team_store(store_factory, database_uri, monkeypatch):
    """A store with workspaces; that of team-a has a DeltaOne, and its neighbour team-b nothing."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = store_factory()
    workspaces = WorkspaceStore(database_uri)
    for name in ("team-a", "team-b"):
        workspaces.create_workspace(Workspace(name=name))
    workspaces._engine.dispose()
    with WorkspaceContext("team-a"):
        for value in ("0.85", "0.9"):
            create_version(store, tags=token_tags(benchmark_value=value))
    return store


MOVES = {
    "team-b": (
        "move-resources",
        *("--from", "team-a", "--to", "team-b", "--resource-type", "registered_models", "--yes"),
    ),
    "default": ("migrate-to-default-workspace", "--yes"),
}


@pytest.mark.parametrize("target", MOVES)
def test_moving_models_to_another_workspace(team_store, database_uri, mlflow_command, target):
    """Verify names every version that bulk SQL moved, and rebuild mends the index.

    What was decided and paid stays on record in the workspace where it was earned, and so does the
    token until it is assigned.
    """
    mlflow_command("db", *MOVES[target], database_uri, MLFLOW_ENABLE_WORKSPACES="true")

    with WorkspaceContext(target):
        assert_locked(team_store, "contributor", "mallory")
    found = [d for report in verify(team_store) for d in report.differences]
    kinds = sorted((d.id.workspace, d.id.version, d.kind) for d in found)
    stale = [("team-a", version, Kind.STALE_ROW) for version in (1, 2)]
    missing = [(target, version, Kind.MISSING_ROW) for version in (1, 2)]
    assert kinds == sorted(stale + missing)

    for _report in backfill.rebuild(team_store.engine, BUILT_IN):
        pass
    assert_index_is_truth(team_store)
    with team_store.engine.connect() as connection:
        assert {row[0] for row in indexed_rows(connection)} == {target}
    assert faults(team_store) == []
    with WorkspaceContext(target):
        assert_locked(team_store, VALUE, "0.99")
        with pytest.raises(MlflowException, match="belongs to another workspace"):
            create_version(team_store)
        team_store.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"], reassign=True)
        for value in ("0.85", "0.9"):
            create_version(team_store, tags=token_tags(benchmark_value=value))
        assert paid(team_store) == []
    with WorkspaceContext("team-a"):
        assert [version for _, version, _ in paid(team_store)] == ["2"]


def assert_locked(store, key, value):
    """The reward that the second version was paid, wherever it was, locks it."""
    with pytest.raises(MlflowException, match="a DeltaOne rests on this version"):
        set_tag(store, "model", 2, key, value)


def verify(store):
    return list(maintenance.verify(store.engine, BUILT_IN))


def test_stock_server_for_a_while(filled_store, database_uri, mlflow_command):
    """What a server without the plugin writes is named by verify, and rebuilt into the index."""
    stock = MlflowClient(tracking_uri=database_uri, registry_uri=database_uri)
    stock.create_model_version("model", "s3://bucket/model", tags=token_tags())
    stock.set_model_version_tag("model", "1", "benchmark_value", "0.99")
    stock.delete_model_version("model", "2")
    stock.create_registered_model("other")
    stock.create_model_version("other", "s3://bucket/model", tags={"hokusai_token_id": "bad"})
    kinds = {(d.id.version, d.kind) for report in verify(filled_store) for d in report.differences}
    assert kinds == {(1, Kind.DIFFERING_COLUMN), (2, Kind.STALE_ROW), (3, Kind.MISSING_ROW)}
    nonconforming = [n.id.name for report in verify(filled_store) for n in report.nonconforming]
    assert nonconforming == ["other"]
    for _report in maintenance.rebuild(filled_store.engine, BUILT_IN):
        pass
    assert len(indexed_versions(filled_store)) == 2
    assert_index_is_truth(filled_store)
    assert faults(filled_store) == []
