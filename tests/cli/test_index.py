"""``hokusai-mlflow index``: what differs is named, then repaired."""

from __future__ import annotations

import pytest
from cli.commands import failed, run
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import select
from support.damage import change_tag, damage_version
from support.registry import METRIC, VALUE, create_version, token_tags

from hokusai_mlflow_plugin.db.schema.tables import series


@pytest.fixture
def damaged(store):
    """A registry whose index differs in each way in which it can."""
    for value in ("0.5", "0.6", "0.7"):
        create_version(store, tags=token_tags(**{VALUE: value, METRIC: "custom"}))
    damage_version(store, "DELETE FROM hokusai_token_index", "model", 1)
    change_tag(store, "model", 2, VALUE, "0.9")
    change_tag(store, "model", 3, VALUE, "nan")
    return store


DIFFERENCES = [
    ("default", "model", "1", "missing row", ""),
    (
        "default",
        "model",
        "2",
        "differing column",
        "benchmark_value is '0.6', should be '0.9'",
    ),
    ("default", "model", "3", "stale row", ""),
]


def rows(found):
    names = ("workspace", "model", "version", "kind", "details")
    return [tuple(row[name] for name in names) for row in found]


def test_verify_names_each_difference(damaged, database_uri):
    """A table with exit status 1, as long as there is a difference."""
    done = run("index", "verify", database_uri)
    assert done.status == 1
    assert done.lines[0] == "3 differences in 3 versions:"
    assert [tuple(line.split("  ")[0] for line in done.lines[3:])] == [("default",) * 3]
    for _workspace, _model, _version, kind, details in DIFFERENCES:
        assert any(kind in line and details in line for line in done.lines[3:])


def test_rebuild_repairs_them(damaged, database_uri):
    """Rebuild says what it repaired; after it verify ends with status 0."""
    found = run("index", "verify", database_uri, "--output", "json")
    assert found.status == 1
    assert rows(found.json["differences"]) == DIFFERENCES
    repaired = run("index", "rebuild", f"hokusai+{database_uri}", "--output", "json")
    assert repaired.status == 0
    assert repaired.json == {"repaired": found.json["differences"], "version_count": 3}
    assert run("index", "rebuild", database_uri).output == (
        "0 differences repaired in 3 versions.\n"
    )
    verified = run("index", "verify", database_uri)
    assert verified.output == "The index is what the tags of 3 versions say.\n"
    assert verified.status == 0
    assert run("index", "verify", database_uri, "--output", "json").json == {
        "differences": [],
        "version_count": 3,
    }


@pytest.mark.parametrize("command", [("db", "upgrade"), ("index", "rebuild")], ids=" ".join)
def test_what_was_written_past_the_servers_raises_heads(store, database_uri, command):
    """Whichever command indexes it: else its value could be earned again (R9)."""
    create_version(store, tags=token_tags(**{VALUE: "0.5"}))
    create_version(SqlAlchemyStore(database_uri), tags=token_tags(**{VALUE: "0.9"}))
    assert run(*command, database_uri).status == 0
    with store.engine.connect() as connection:
        assert connection.scalars(select(series.c.head_value)).all() == ["0.9"]


def test_index_is_judged_by_the_servers_settings(
    store, store_factory, database_uri, folder, monkeypatch
):
    """A metric that only the servers' catalogue knows is not held to other bounds."""
    create_version(store, tags=token_tags(**{METRIC: "share", VALUE: "1.5"}))
    assert run("index", "verify", database_uri).status == 0
    (folder / "metrics.toml").write_text(
        '[metrics.share]\ntask = "other"\ndirection = "maximize"\nunit = "ratio"\n'
        "lower = 0\nupper = 1\n"
    )
    with monkeypatch.context() as server:
        server.setenv("_MLFLOW_SERVER_FILE_STORE", database_uri)
        store_factory(HOKUSAI_METRICS_FILE="metrics.toml")
    done = run("index", "verify", database_uri, environ={"HOKUSAI_METRICS_FILE": "metrics.toml"})
    assert done.status == 1
    assert "stale row" in done.output


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_tables_have_to_be_there(stock_database_uri, command):
    """Without the Hokusai tables there is nothing to verify: the command names the one to run."""
    assert "hokusai-mlflow db upgrade" in failed(run("index", command, stock_database_uri))


METRICS = '[metrics.custom]\ndirection = "maximize"\nupper = "0.8"\n'


@pytest.fixture
def metrics_file(tmp_path):
    """A metrics file that the servers have and the command is not given."""
    path = tmp_path / "metrics.toml"
    path.write_text(METRICS)
    return str(path)


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_another_catalogue_is_not_compared(
    store_factory, database_uri, metrics_file, monkeypatch, command
):
    """Without the servers' metrics file a command compares nothing, says so, and exits with 2."""
    store = store_factory(HOKUSAI_METRICS_FILE=metrics_file)
    create_version(store, tags=token_tags(**{METRIC: "custom", VALUE: "0.7"}))
    done = run("index", command, database_uri)
    assert done.status == 2
    assert "indexed with another HOKUSAI_METRICS_FILE" in done.errors
    assert "Set HOKUSAI_METRICS_FILE to the file of the servers" in done.errors
    monkeypatch.setenv("HOKUSAI_METRICS_FILE", metrics_file)
    assert run("index", command, database_uri).status == 0


def test_a_catalogue_that_changes(store_factory, database_uri, metrics_file, monkeypatch):
    """The last server to start decides; a program that opens the database itself does not."""
    store_factory()
    store_factory(HOKUSAI_METRICS_FILE=metrics_file)
    assert run("index", "verify", database_uri).status == 0
    with monkeypatch.context() as server:
        server.setenv("_MLFLOW_SERVER_FILE_STORE", database_uri)
        store_factory(HOKUSAI_METRICS_FILE=metrics_file)
    assert run("index", "verify", database_uri).status == 2
    done = run("db", "upgrade", database_uri)
    assert done.status == 0
    assert "The index is left as it is." in done.errors
