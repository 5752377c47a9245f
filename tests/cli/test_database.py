"""``hokusai-mlflow db``: migrating, and taking over what is older than the plugin."""

from __future__ import annotations

import csv

import pytest
from cli.commands import failed, run
from sqlalchemy import create_engine, inspect, text
from support.index import indexed_rows

NONCONFORMING = [
    ('bad, "so"', "1", "hokusai_token_id", "token_id_invalid"),
    ('bad, "so"', "1", "benchmark_value", "benchmark_value_invalid"),
    ("pending", "1", "benchmark_value", "required_tag_missing"),
]


def tables(uri):
    engine = create_engine(uri)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def execute(uri, statement):
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def indexed(uri):
    engine = create_engine(uri)
    with engine.connect() as connection:
        found = [(row[1], row[2]) for row in indexed_rows(connection)]
    engine.dispose()
    return found


def faults(rows):
    return [(row["model"], row["version"], row["key"], row["code"]) for row in rows]


def test_upgrade_takes_old_data_over(old_database_uri):
    """What conforms is indexed, what does not is listed with the reason; once is enough."""
    done = run("db", "upgrade", old_database_uri)
    assert done.status == 0
    assert done.lines[0].endswith("; 4 versions, 2 indexed.")
    assert "Token ID format invalid: 'img_001'" in done.output
    assert "Required tag benchmark_value is missing" in done.output
    assert indexed(old_database_uri) == [("good", 1), ("good", 2)]
    again = run("db", "upgrade", old_database_uri)
    assert again.lines[0].endswith("; 4 versions, 0 indexed.")
    assert again.lines[1:] == done.lines[1:]


def test_upgrade_for_machines(old_database_uri):
    """JSON has every fault, and the counts."""
    found = run("db", "upgrade", old_database_uri, "--output", "json").json
    assert faults(found["nonconforming"]) == NONCONFORMING
    assert {row["workspace"] for row in found["nonconforming"]} == {"default"}
    assert found["version_count"] == 4
    assert found["indexed_count"] == 2
    current = run("db", "current", old_database_uri, "--output", "json").json
    assert current == {
        "current": found["revision"],
        "head": found["revision"],
        "is_current": True,
    }


def test_report_is_csv(old_database_uri, folder):
    """The report has each fault in a row, whatever characters a name has."""
    assert run("db", "upgrade", old_database_uri, "--report", "faults.csv").status == 0
    with (folder / "faults.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert faults(rows) == NONCONFORMING
    assert list(rows[0]) == ["workspace", "model", "version", "key", "code", "message"]
    assert rows[2]["message"].startswith("Required tag benchmark_value is missing")


def test_dry_run_writes_nothing(old_database_uri, folder):
    """A dry run reports the same, and leaves the database as it is."""
    before = tables(old_database_uri)
    done = run("db", "upgrade", old_database_uri, "--dry-run", "--report", "faults.csv")
    assert done.lines[0] == "Revision none; 4 versions, 2 would be indexed."
    assert tables(old_database_uri) == before
    report = (folder / "faults.csv").read_text()
    real = run("db", "upgrade", old_database_uri, "--report", "faults.csv")
    assert done.lines[1:] == real.lines[1:]
    assert (folder / "faults.csv").read_text() == report
    assert (
        run("db", "upgrade", old_database_uri, "--dry-run")
        .lines[0]
        .endswith("; 4 versions, 0 would be indexed.")
    )


def test_report_that_cannot_be_written(old_database_uri):
    """The file is opened first: nothing is migrated without the report that was asked for."""
    before = tables(old_database_uri)
    done = run("db", "upgrade", old_database_uri, "--report", "missing/faults.csv")
    assert "missing/faults.csv" in failed(done)
    assert tables(old_database_uri) == before


@pytest.mark.parametrize(
    "command",
    [("db", "upgrade"), ("db", "current"), ("db", "check"), ("index", "verify")],
    ids=" ".join,
)
def test_database_that_is_no_registry(empty_database_uri, command):
    """MLflow's tables are MLflow's to make: the command says how, and makes none."""
    execute(empty_database_uri, "CREATE TABLE invoices (id INTEGER)")
    assert "mlflow db upgrade" in failed(run(*command, empty_database_uri))
    assert tables(empty_database_uri) == {"invoices"}


def test_registry_older_than_workspaces(empty_database_uri):
    """A database of an MLflow before 3.10 has to be migrated by MLflow first."""
    execute(empty_database_uri, "CREATE TABLE model_versions (name VARCHAR(64), version INTEGER)")
    assert "MLflow 3.10" in failed(run("db", "upgrade", empty_database_uri))
    assert tables(empty_database_uri) == {"model_versions"}


def test_check(stock_database_uri):
    """Exit status 1 until the tables are those of this release, and again when one is changed."""
    before = run("db", "check", stock_database_uri)
    assert before.status == 1
    assert before.lines[0].startswith("revision none, this release needs ")
    run("db", "upgrade", stock_database_uri)
    assert run("db", "check", stock_database_uri).status == 0
    assert run("db", "check", stock_database_uri, "--output", "json").json == {"differences": []}
    execute(stock_database_uri, "ALTER TABLE hokusai_series ADD COLUMN extra INTEGER")
    after = run("db", "check", stock_database_uri, "--output", "json")
    assert after.status == 1
    (difference,) = after.json["differences"]
    assert "extra" in difference


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_database_by_environment(database_uri):
    """The registry's variable comes before the backend's, an argument before both."""
    registry, backend = "MLFLOW_REGISTRY_STORE_URI", "MLFLOW_BACKEND_STORE_URI"
    run("db", "upgrade", f"hokusai+{database_uri}")
    assert "needs" in run("db", "current", environ={backend: database_uri}).output
    environ = {registry: f"hokusai+{database_uri}", backend: "sqlite:///missing.db"}
    assert run("db", "check", environ=environ).status == 0
    missing = run("db", "check", environ={backend: "sqlite:///missing.db"})
    assert missing.errors.splitlines() == [
        f"Asking sqlite:///missing.db ({backend}).",
        "Error: There is no SQLite database missing.db.",
    ]
    assert run("db", "check", database_uri, environ={registry: "nonsense"}).status == 0
    assert registry in failed(run("db", "check"), 2)
