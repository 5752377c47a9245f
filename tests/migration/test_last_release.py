"""A rolling restart: servers of the last release go on beside those of this one.

The last release is the wheel in ``last_release``; it opens the database before it is migrated, and
works on it afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from sqlalchemy import create_engine, select, text
from support import prepared
from support.damage import run_sql
from support.index import assert_index_is_truth, indexed_versions
from support.prepared import PipedProcess
from support.refusals import refused
from support.registry import TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import assert_sound, decision, events, faults, outcomes, paid, revoke

from hokusai_mlflow_plugin.cli import main
from hokusai_mlflow_plugin.db.rewards import ledger_rows
from hokusai_mlflow_plugin.db.rewards.unsealed_rows import seal_unsealed
from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.db.schema.tables import paid_runs
from hokusai_mlflow_plugin.store.registry_store import build_store

HERE = Path(__file__).parent
(WHEEL,) = (HERE / "last_release").glob("*.whl")


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the last release's package is found, and this tree's is not."""
    unpacked = tmp_path_factory.mktemp("last_release")
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(unpacked)
    path = os.pathsep.join([str(unpacked), str(HERE.parent)])
    return {**os.environ, "PYTHONPATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}


class Released:
    """A process that has the database open with the last release's code."""

    def __init__(self, database_uri: str, environ: dict[str, str]) -> None:
        self._process = PipedProcess([str(HERE / "released.py"), database_uri], environ)
        self.package = self._answer()

    def __call__(self, *order: Any) -> Any:
        """Do one of what ``released.py`` defines."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        assert line, "the last release failed: see the output above"
        return json.loads(line)

    def stop(self) -> None:
        assert self._process.end() == 0


@pytest.fixture
def released(stock_database_uri: str, environ: dict[str, str]) -> Iterator[Released]:
    """The last release, on a database that it migrated itself."""
    process = Released(stock_database_uri, environ)
    yield process
    process.stop()


@pytest.fixture
def current(database_uri: str, released: Released) -> Any:
    """This tree's store on the same database, opened and so migrated after it."""
    return build_store(f"hokusai+{database_uri}")


UNSEALED = {"decision_edited", "delivery_edited", "decision_differs", "state_missing"}
"""What the last release's rows are named as until they are sealed."""


def seal(store: Any) -> dict[str, int]:
    """What ``rewards seal`` does."""
    with store.engine.begin() as connection:
        return seal_unsealed(connection)


def register(store: Any, value: str) -> int:
    return int(create_version(store, tags=token_tags(**{VALUE: value})).version)


def test_the_wheel_is_the_one_that_was_released() -> None:
    """The wheel is the file that its page names, and nobody mended it."""
    digest = hashlib.sha256(WHEEL.read_bytes()).hexdigest()
    assert f"| `{WHEEL.name}` |" in (HERE / "last_release" / "README.md").read_text()
    assert digest in (HERE / "last_release" / "README.md").read_text()


def test_both_write_in_turn(database_uri, released):
    """Both register, amend, delete and rename on the new schema, in one series and one ledger."""
    assert "last_release" in released.package
    assert released("register", "0.80") == 1
    current = build_store(f"hokusai+{database_uri}")
    with current.engine.connect() as connection:
        assert migrations.schema_state(connection).is_current
        assert migrations.differences(connection) == []

    assert register(current, "0.82") == 2
    assert released("register", "0.84") == 3
    assert register(current, "0.845") == 4
    assert released("register_in_steps", "0.86") == 5
    released("tag", 4, VALUE, "0.841")
    released("delete", 4)
    assert register(current, "0.88") == 6

    assert outcomes(current, versions=3) == ["baseline", "achieved", "achieved"]
    assert [pp for _name, _version, pp in paid(current)] == ["2", "2", "2", "2"]
    assert [version for _name, version, _token in indexed_versions(current)] == [1, 2, 3, 5, 6]
    released("rename", "model", "renamed")
    assert_index_is_truth(current)
    assert {fault.code for fault in faults(current)} <= UNSEALED
    assert seal(current)
    assert_sound(current)
    assert seal(current) == {}


def logged_run(database_uri: str, *values: float) -> str:
    """A run that logged these accuracies."""
    client = MlflowClient(tracking_uri=database_uri)
    experiment = client.get_experiment_by_name("runs")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("runs")
    run_id = client.create_run(experiment_id).info.run_id
    for value in values:
        client.log_metric(run_id, "accuracy", value)
    return str(run_id)


def noted_runs(store: Any) -> set[str]:
    with store.engine.connect() as connection:
        return set(connection.scalars(select(paid_runs.c.run_id)))


@pytest.mark.parametrize("closed_by", ["the next event", "a start", "rewards seal"])
def test_its_paid_runs_back_nothing_else(database_uri, released, closed_by, monkeypatch):
    """A run that the last release pays for beside this one is used up at once, and noted (R14)."""
    current = build_store(f"hokusai+{database_uri}", database_uri)
    monkeypatch.setenv("HOKUSAI_REQUIRE_RUN_EVIDENCE", "true")
    strict = build_store(f"hokusai+{database_uri}", database_uri)
    register(current, "0.80")
    create_version(current, "other", token_tags(**{TOKEN: "IMG-002", VALUE: "0.80"}))
    first, second = logged_run(database_uri, 0.82), logged_run(database_uri, 0.84)
    released("register_backed", "0.82", first)
    assert released("register_backed", "0.84", second) == 3
    again = token_tags(**{TOKEN: "IMG-002", VALUE: "0.82"})
    assert noted_runs(current) == set()
    with refused(strict, "a reward rests on"):
        create_version(strict, "other", again, run_id=first)

    if closed_by == "the next event":
        create_version(current, "other", again, run_id=first)
        assert decision(current, "other")["evidence"] == "reused"
    elif closed_by == "a start":
        build_store(f"hokusai+{database_uri}")
    else:
        result = CliRunner().invoke(main, ["rewards", "seal", database_uri])
        assert result.exit_code == 0, result.output
    assert noted_runs(current) == {first, second}
    with refused(strict, "a reward rests on"):
        create_version(strict, "other", again, run_id=first)
    seal(current)
    assert faults(current) == []
    run_sql(current, "DELETE FROM hokusai_paid_runs WHERE run_id = :id", id=second)
    assert [fault.code for fault in faults(current)] == ["paid_run_missing"]


@pytest.mark.parametrize("noted", [False, True], ids=["before it is noted", "after"])
def test_a_reward_of_its_that_is_revoked(database_uri, released, noted):
    """It gives its run back, whether that was noted before or not, and nothing is wrong (R19)."""
    current = build_store(f"hokusai+{database_uri}", database_uri)
    register(current, "0.80")
    run_id = logged_run(database_uri, 0.82)
    released("register_backed", "0.82", run_id)
    if noted:
        current = build_store(f"hokusai+{database_uri}", database_uri)
        assert noted_runs(current) == {run_id}
    seal(current)
    revoke(current, events(current)[0]["id"])
    assert noted_runs(current) == set()
    assert faults(current) == []
    create_version(current, "model", token_tags(**{VALUE: "0.82"}), run_id=run_id)
    assert decision(current)["evidence"] == "run_backed"
    assert noted_runs(current) == {run_id}
    assert faults(current) == []


@pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
def test_a_race_with_it_for_one_run(database_uri, released, monkeypatch):
    """Of two rewards that come to rest on one run together, this release's is begun again.

    Not on SQLite, where one writer keeps out the other.
    """
    current = build_store(f"hokusai+{database_uri}", database_uri)
    register(current, "0.80")
    create_version(current, "other", token_tags(**{TOKEN: "IMG-002", VALUE: "0.80"}))
    run_id = logged_run(database_uri, 0.82)
    lock_ledger, turns = ledger_rows.lock_ledger, []

    def after_the_other(*arguments: Any) -> Any:
        turns.append(1)
        if len(turns) == 1:
            released("register_backed", "0.82", run_id)
        return lock_ledger(*arguments)

    monkeypatch.setattr(ledger_rows, "lock_ledger", after_the_other)
    create_version(current, "other", token_tags(**{TOKEN: "IMG-002", VALUE: "0.82"}), run_id=run_id)
    assert len(turns) == 2
    assert decision(current, "other")["evidence"] == "reused"
    assert decision(current, "model", 2)["evidence"] == "run_backed"


def test_only_what_has_no_seal_is_sealed(current, released):
    """A row that was edited under its seal stays a fault; so does one whose values contradict."""
    register(current, "0.80")
    released("register", "0.82")
    run_sql(current, "UPDATE hokusai_decisions SET reason = 'x' WHERE version = 1")
    run_sql(current, "UPDATE hokusai_decisions SET improvement_pp = '7' WHERE version = 2")
    seal(current)
    found = {fault.code for fault in faults(current)}
    assert found == {"decision_edited", "verdict_differs", "decision_differs"}


def test_both_answer_alike(current, released):
    """A token, a history, a decision and the ledger read the same from both."""
    for value in ("0.80", "0.82"):
        register(current, value)
        released("register", str(float(value) + 0.01))
    for path, parameters in (
        ("model-versions/list-by-token", {"token_id": "IMG-001"}),
        ("registered-models/lineage", {"name": "model"}),
        ("deltaone/detect", {"name": "model"}),
        ("reward-events/list", {}),
        ("tokens/get", {"token_id": "IMG-001"}),
    ):
        assert _as_far_as_known(
            current.answer(path, **parameters), released("answer", path, parameters)
        )


def _as_far_as_known(new: Any, old: Any) -> bool:
    """Whether an answer holds all that the last release's does; it may hold more fields."""
    if isinstance(old, dict):
        return all(key in new and _as_far_as_known(new[key], old[key]) for key in old)
    if isinstance(old, list):
        return len(new) == len(old) and all(map(_as_far_as_known, new, old))
    return bool(new == old)


def test_its_locks_hold(current, released):
    """What this release locked the last one refuses to change, and the other way round."""
    register(current, "0.80")
    released("register", "0.82")
    for version in (1, 2):
        with pytest.raises(ValueError, match="cannot change"):
            set_tag(current, "model", version, VALUE, "0.9")
    refused = released("refusal", "tag", 2, VALUE, "0.9")
    assert "cannot change" in refused


def test_a_newer_revision_lets_a_running_server_go_on(database_uri, released, environ):
    """What runs goes on when a newer release migrates; what starts is refused, with the remedy."""
    engine = create_engine(database_uri)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version_hokusai SET version_num = '9999'"))
    engine.dispose()
    assert released("register", "0.80") == 1
    assert released("answer", "tokens/get", {"token_id": "IMG-001"})["token"]["version_count"] == 1
    started = prepared.run([str(HERE / "released.py"), database_uri], env=environ)
    assert started.returncode == 1
    assert "a newer release has migrated them" in started.stderr
