"""R10 and R14: what the tracking server knows of a claimed value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from mlflow import MlflowClient
from mlflow.utils.workspace_context import WorkspaceContext
from support.databases import AllDatabases
from support.index import assert_index_is_truth
from support.refusals import refused
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import (
    assert_sound,
    decided_rows,
    decision,
    detect,
    events,
    outcome,
    paid,
    revoke,
)

from hokusai_mlflow_plugin.services.queries.findings import list_findings
from hokusai_mlflow_plugin.services.queries.versions_of_token import list_by_token
from hokusai_mlflow_plugin.store import evidence as permissions
from hokusai_mlflow_plugin.store.registry_store import build_store


@pytest.fixture(params=["same database", "another database"])
def tracking_uri(
    request: pytest.FixtureRequest, database_uri: str, all_databases: AllDatabases
) -> Iterator[str]:
    """Where runs are: beside the registry, or elsewhere."""
    if request.param == "same database":
        yield database_uri
        return
    uri = all_databases.of("sqlite").create()
    yield uri
    all_databases.of("sqlite").drop(uri)


@pytest.fixture
def registry(
    database_uri: str, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Opens the plugin's store as MLflow does where runs are tracked, with settings."""

    def make(tracking: str | None = tracking_uri, **environ: str) -> Any:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            return build_store(f"hokusai+{database_uri}", tracking)

    return make


@pytest.fixture
def logged(tracking_uri: str, tmp_path: Any) -> Callable[..., str]:
    """Makes a run that logged metrics, one after the other: ``logged(accuracy=[0.8, 0.9])``."""
    client = MlflowClient(tracking_uri=tracking_uri)
    experiment = client.create_experiment("evidence", str(tmp_path / "artifacts"))

    def log(**metrics: float | list[float]) -> str:
        run_id = client.create_run(experiment).info.run_id
        for name, values in metrics.items():
            for step, value in enumerate(values if isinstance(values, list) else [values]):
                client.log_metric(run_id, name, value, step=step)
        return str(run_id)

    return log


def register(store: Any, value: str, run_id: str | None = None, **others: str) -> Any:
    """A tokenised version that names a run."""
    return create_version(store, tags=token_tags(**{VALUE: value}, **others), run_id=run_id)


@pytest.mark.parametrize(
    ("value", "logs"),
    [
        ("0.87", 0.87),
        ("0.8700", 0.87),
        ("8.7e-1", 0.87),
        ("0.87", [0.1, 0.87]),
        ("1", 1),
    ],
)
def test_run_backed(registry, logged, value, logs):
    """The run logged the same number last: it is more than a claim, and the event says so."""
    store = registry()
    register(store, "0.05")
    register(store, value, logged(accuracy=logs, loss=0.5))
    found = decision(store)
    assert found["evidence"] == "run_backed"
    assert float(found["logged_value"]) == float(value)
    assert events(store)[0]["data"]["evidence"] == "run_backed"
    assert_sound(store)


@pytest.mark.parametrize("logs", [0.86, 0.8700000000000001, -0.87, [0.87, 0.5], float("inf")])
def test_mismatch(registry, logged, tracking_uri, logs):
    """The run logged another number: the decision says both, and the event warns."""
    store = registry()
    register(store, "0.85")
    run_id = logged(accuracy=logs)
    register(store, "0.87", run_id)
    found = decision(store)
    last = MlflowClient(tracking_uri).get_run(run_id).data.metrics["accuracy"]
    assert (found["outcome"], found["evidence"], found["value"]) == ("achieved", "mismatch", "0.87")
    assert float(found["logged_value"]) == last
    assert events(store)[0]["data"]["evidence"] == "mismatch"
    assert_sound(store)


@pytest.mark.parametrize(
    "logs",
    [{"accuracy": float("nan")}, {"Accuracy": 0.87}, {"recall": 0.87}, {}],
    ids=["NaN", "another case", "another metric", "nothing"],
)
def test_claimed_with_a_run(registry, logged, logs):
    """A run that logged no such number is no evidence, for or against."""
    store = registry()
    register(store, "0.87", logged(**logs))
    found = decision(store)
    assert found["evidence"] == "claimed"
    assert "logged_value" not in found


@pytest.mark.parametrize("run_id", [None, "", 32 * "0", "no run"])
def test_claimed_without_a_run(registry, logged, run_id):
    """A version that names no run of this server claims its value."""
    logged(accuracy=0.87)
    store = registry()
    register(store, "0.87", run_id)
    assert decision(store)["evidence"] == "claimed"


@pytest.mark.parametrize("elsewhere", [None, "http://127.0.0.1:9", "file:///nowhere", "databricks"])
def test_runs_that_cannot_be_looked_up(registry, logged, elsewhere):
    """Runs outside a database are not asked for: a remote server could hold up the write."""
    store = registry(elsewhere)
    register(store, "0.87", logged(accuracy=0.87))
    assert decision(store)["evidence"] == "claimed"


def test_the_servers_own_tracking_store_comes_first(registry, logged, monkeypatch, tracking_uri):
    """In a server, the runs are those of its own backend store."""
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", tracking_uri)
    store = registry("http://127.0.0.1:9")
    register(store, "0.87", logged(accuracy=0.87))
    assert decision(store)["evidence"] == "run_backed"


def test_evidence_of_an_amendment(registry, logged):
    """Each decision is taken with the evidence for its own value."""
    store = registry()
    register(store, "0.95")
    register(store, "0.87", logged(accuracy=0.88, recall=0.5))
    assert decision(store)["evidence"] == "mismatch"
    set_tag(store, "model", 2, VALUE, "0.88")
    assert decision(store)["evidence"] == "run_backed"
    set_tag(store, "model", 2, METRIC, "recall")
    assert decision(store)["evidence"] == "mismatch"
    assert [past["evidence"] for past in detect(store)["history"]] == ["run_backed", "mismatch"]


def test_required_evidence(registry, logged, tracking_uri):
    """``HOKUSAI_REQUIRE_RUN_EVIDENCE=true`` takes only values that a run of this server logged."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    run_id = logged(accuracy=0.87)
    register(store, "0.87", run_id)
    (decided,) = decided_rows(store)
    experiment = int(MlflowClient(tracking_uri).get_run(run_id).info.experiment_id)
    assert (decided["evidence"], decided["experiment_id"]) == ("run_backed", experiment)
    with refused(store, "'0.88' of accuracy has no run evidence", run_id, "logged another value"):
        register(store, "0.88", run_id)
    for other in (None, 32 * "0", logged(recall=0.88)):
        with refused(
            store,
            "Model 'model' version 2: Benchmark value '0.88' of accuracy has no run evidence, "
            "which this registry requires: it names no run of this server that logged the metric, "
            "or none that you may read. Log the metric in the run that the version comes from, and "
            "register that value.",
        ):
            register(store, "0.88", other)
    with refused(store, "has no run evidence"):
        set_tag(store, "model", 1, VALUE, "0.88")
    assert len(decided_rows(store)) == 1


def test_required_evidence_of_tags_that_come_later(registry, logged):
    """The tag that would make the version tokenised is the one that is refused."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    create_version(store, tags={}, run_id=logged(accuracy=0.87))
    set_tag(store, "model", 1, TOKEN, "IMG-001")
    set_tag(store, "model", 1, METRIC, "accuracy")
    with refused(store, "has no run evidence"):
        set_tag(store, "model", 1, VALUE, "0.88")
    set_tag(store, "model", 1, VALUE, "0.87")
    assert outcome(store) == "baseline"


def test_required_evidence_under_audit(registry, logged):
    """The policy ``audit`` takes what has no evidence, and its findings name the kind."""
    store = registry(HOKUSAI_POLICY="audit", HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    run_id = logged(accuracy=0.87)
    register(store, "0.5", logged(accuracy=0.5))
    register(store, "0.87", run_id)
    register(store, "0.88", run_id)
    register(store, "0.88")
    other = {TOKEN: "IMG-002"}
    register(store, "0.5", logged(accuracy=0.5), **other)
    register(store, "0.87", run_id, **other)
    found = {each["version"]: each["codes"] for each in store.ask(list_findings)["findings"]}
    assert found == {
        "3": ["run_evidence_mismatch"],
        "4": ["run_evidence_missing"],
        "6": ["run_evidence_reused"],
    }
    assert paid(store) == [("model", "2", "37")]


def test_required_evidence_leaves_others_alone(registry):
    """Versions without a token need no evidence."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    create_version(store, tags={METRIC: "accuracy", VALUE: "0.9"})
    assert decided_rows(store) == []


def test_a_copy_keeps_its_run(registry, logged):
    """MLflow's copy names the same run, so it has the same evidence."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    store.copy_model_version(register(store, "0.87", logged(accuracy=0.87)), "copy")
    found = decision(store, "copy")
    assert (found["outcome"], found["evidence"]) == ("copy", "run_backed")


FULL_PRECISION = [
    1e-31,
    1.0000000000000002e-31,
    2.3283064365386963e-10,
    -5.551115123125783e-17,
    0.00012345678901234567,
    0.0009999999999999998,
    0.30000000000000004,
    9.999999999999999e36,
    1e37,
]


def test_floats_at_full_precision(registry, logged):
    """What a run logged from 1e-31 to 1e37 is claimed as Python writes it, backed, and found."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    for number in FULL_PRECISION:
        register(store, repr(number), logged(gap=number), **{METRIC: "gap"})
        found = decision(store)
        assert (found["evidence"], found["logged_value"]) == ("run_backed", repr(number))
        assert float(found["value"]) == number
    listed = store.ask(list_by_token, "IMG-001")["model_versions"]
    values = [tag["value"] for each in listed for tag in each["tags"] if tag["key"] == VALUE]
    assert values[::-1] == [repr(number) for number in FULL_PRECISION]
    assert_index_is_truth(store)


def evidence_of(store: Any, *names: str) -> list[str]:
    """The evidence of the first version of models."""
    return [decision(store, name)["evidence"] for name in names]


@pytest.mark.parametrize("again", [False, True], ids=["once", "logged again"])
@pytest.mark.parametrize("token", ["IMG-001", "IMG-002"])
def test_a_run_backs_one_reward(registry, logged, tracking_uri, token, again):
    """R14: under the same or another token, also after its metric was logged again."""
    store = registry()
    create_version(store, "first", token_tags(**{VALUE: "0.5"}))
    create_version(store, "other", token_tags(**{VALUE: "0.5", TOKEN: token}))
    run_id = logged(accuracy=0.87)
    register(store, "0.87", run_id)
    value = "0.87"
    if again:
        value = "0.97"
        MlflowClient(tracking_uri).log_metric(run_id, "accuracy", 0.97, step=9)
    tags = token_tags(**{VALUE: value, TOKEN: token})
    create_version(store, "second", tags, run_id=run_id)
    assert evidence_of(store, "model", "second") == ["run_backed", "reused"]
    strict = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    with refused(strict, f"a reward rests on run {run_id} already, and a run backs only one."):
        create_version(strict, "second", tags, run_id=run_id)
    assert_sound(store)


def test_a_run_that_earned_nothing_is_free(registry, logged):
    """A baseline rests on its run, and nobody was paid for it: it still backs a reward."""
    store = registry()
    run_id = logged(accuracy=0.87)
    register(store, "0.87", run_id)
    create_version(store, "other", token_tags(**{VALUE: "0.5", TOKEN: "IMG-002"}))
    create_version(store, "other", token_tags(**{VALUE: "0.87", TOKEN: "IMG-002"}), run_id=run_id)
    assert decision(store, "other", 2)["evidence"] == "run_backed"
    assert paid(store) == [("other", "2", "37")]


def test_a_copy_of_a_rewarded_version(registry, logged):
    """It earns nothing, so it may name the run that its origin's reward rests on."""
    store = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    register(store, "0.5", logged(accuracy=0.5))
    origin = register(store, "0.87", logged(accuracy=0.87))
    store.copy_model_version(origin, "production")
    found = decision(store, "production")
    assert (found["outcome"], found["evidence"]) == ("copy", "reused")


def test_another_name_of_the_metric(registry, logged):
    """R8: what a run logged under any of the metric's names is evidence."""
    store = registry()
    register(store, "0.87", logged(accuracy_score=0.87))
    register(store, "0.88", logged(accuracy=0.88), **{METRIC: "accuracy_score"})
    assert [decision(store, version=n)["evidence"] for n in (1, 2)] == 2 * ["run_backed"]


def test_a_run_of_another_workspace(registry, logged, monkeypatch):
    """What another workspace logged is no evidence here."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = registry()
    run_id = logged(accuracy=0.87)
    with WorkspaceContext("team-b"):
        register(store, "0.87", run_id, **{TOKEN: "SENT-001"})
        assert evidence_of(store, "model") == ["claimed"]
    with WorkspaceContext("default"):
        register(store, "0.87", run_id)
        assert evidence_of(store, "model") == ["run_backed"]


@pytest.mark.parametrize("of_model", [False, True], ids=["run", "logged model"])
def test_a_run_that_the_sender_may_not_read(registry, logged, tracking_uri, monkeypatch, of_model):
    """R14: to who may not read what was logged it is no evidence, by whichever way it is named."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)  # where MLflow looks the model up
    client, run_id = MlflowClient(tracking_uri), logged(accuracy=0.87)
    experiment_id = client.get_run(run_id).info.experiment_id
    how = {"run_id": run_id}
    if of_model:
        model_id = client.create_logged_model(experiment_id, source_run_id=run_id).model_id
        client.log_metric(run_id, "accuracy", 0.87, model_id=model_id)
        how = {"source": f"models:/{model_id}"}
    store, strict = registry(), registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    asked = []

    def may_read(each: int) -> bool:
        asked.append(str(each))
        return sender == "owner"

    monkeypatch.setattr(permissions, "_readers", [may_read])
    tags = token_tags(**{VALUE: "0.87"})
    with Flask("server").test_request_context():
        sender = "stranger"
        create_version(store, "theirs", tags, **how)
        with refused(strict, "none that you may read"):
            create_version(strict, "theirs", tags, **how)
        sender = "owner"
        create_version(store, "own", tags, **how)
    assert evidence_of(store, "theirs", "own") == ["claimed", "run_backed"]
    assert "logged_value" not in decision(store, "theirs")
    assert set(asked) == {experiment_id}


def test_the_logged_model(registry, logged, tracking_uri, monkeypatch):
    """R14: what the logged model that the version comes from was evaluated to is evidence."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)  # where MLflow looks the model up
    client = MlflowClient(tracking_uri=tracking_uri)
    run_id = logged(loss=1.0)
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, source_run_id=run_id)
    for step, value in enumerate((0.86, 0.87)):
        client.log_metric(run_id, "accuracy_score", value, step=step, model_id=model.model_id)
    store = registry()
    create_version(store, "first", token_tags(**{VALUE: "0.5"}))
    source = f"models:/{model.model_id}"
    create_version(store, "a", token_tags(**{VALUE: "0.87"}), source)
    create_version(store, "b", token_tags(**{VALUE: "0.88"}), source)
    create_version(store, "c", token_tags(**{VALUE: "0.86", TOKEN: "IMG-002"}), source)
    assert evidence_of(store, "a", "b", "c") == ["run_backed", "mismatch", "reused"]
    assert_sound(store)


def test_one_run_evaluates_many_models(registry, logged, tracking_uri, monkeypatch):
    """R14: a run backs one reward, also where it logged its value for models of no run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)  # where MLflow looks the models up
    client = MlflowClient(tracking_uri=tracking_uri)
    run_id = logged(accuracy=0.87)
    experiment = client.get_run(run_id).info.experiment_id
    store = registry()
    names = ["a", "b", "c"]
    for name in names:
        model_id = client.create_logged_model(experiment).model_id
        client.log_metric(run_id, "accuracy", 0.87, model_id=model_id)
        of_token = {TOKEN: f"IMG-{name.upper()}"}
        create_version(store, f"{name}-0", token_tags(**{VALUE: "0.5"}, **of_token))
        how = {"run_id": run_id} if name == "c" else {"source": f"models:/{model_id}"}
        create_version(store, name, token_tags(**{VALUE: "0.87"}, **of_token), **how)
    assert evidence_of(store, *names) == ["run_backed", "reused", "reused"]
    assert_sound(store)


ORIGIN = "hokusai_origin_run_id"


def copied(tracking_uri: str, run_id: str, origin: str) -> str:
    """The run, which says that it is a copy of one of another server."""
    MlflowClient(tracking_uri).set_tag(run_id, ORIGIN, origin)
    return run_id


def in_two_series(store: Any, *how: dict[str, str], value: str = "0.87") -> list[str]:
    """The evidence of an improvement in each of two series."""
    names = ["first", "second"]
    for name, naming in zip(names, how, strict=True):
        of_token = {TOKEN: f"IMG-{name.upper()}"}
        create_version(store, f"{name}-0", token_tags(**{VALUE: "0.5"}, **of_token))
        create_version(store, name, token_tags(**{VALUE: value}, **of_token), **naming)
    assert_sound(store)
    return evidence_of(store, *names)


def test_two_copies_of_one_run(registry, logged, tracking_uri):
    """R14: two copies of one run back one reward; those of another one back another."""
    store = registry()
    one, two, three = (logged(accuracy=0.87) for _copy in range(3))
    for run_id, origin in ((one, "a" * 32), (two, "a" * 32), (three, "b" * 32)):
        copied(tracking_uri, run_id, origin)
    assert in_two_series(store, {"run_id": one}, {"run_id": two}) == ["run_backed", "reused"]
    create_version(store, "third", token_tags(**{VALUE: "0.5", TOKEN: "IMG-003"}))
    create_version(store, "third", token_tags(**{VALUE: "0.87", TOKEN: "IMG-003"}), run_id=three)
    assert decision(store, "third", 2)["evidence"] == "run_backed"
    strict = registry(HOKUSAI_REQUIRE_RUN_EVIDENCE="true")
    with refused(strict, f"rests on run {two} already, or on {'a' * 32}, of which it is a copy"):
        create_version(strict, "first", token_tags(**{VALUE: "0.87"}), run_id=two)


@pytest.mark.parametrize("first", ["origin", "copy"])
def test_a_run_and_its_copy(registry, logged, tracking_uri, first):
    """R14: where the origin comes to the same server, it and its copy back one reward."""
    origin = logged(accuracy=0.87)
    copy = copied(tracking_uri, logged(accuracy=0.87), origin)
    runs = [origin, copy] if first == "origin" else [copy, origin]
    how = [{"run_id": run_id} for run_id in runs]
    assert in_two_series(registry(), *how) == ["run_backed", "reused"]


@pytest.mark.parametrize("tagged", ["the run that made it", "the run that evaluated it"])
def test_two_copies_of_a_logged_model(registry, logged, tracking_uri, monkeypatch, tagged):
    """R14: nor do two copies of a logged model, whichever of its runs has one origin."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)  # where MLflow looks the models up
    client = MlflowClient(tracking_uri=tracking_uri)
    how = []
    for _copy in range(2):
        made, evaluated = logged(loss=1.0), logged(loss=1.0)
        experiment = client.get_run(made).info.experiment_id
        copied(tracking_uri, made if tagged == "the run that made it" else evaluated, "a" * 32)
        model_id = client.create_logged_model(experiment, source_run_id=made).model_id
        client.log_metric(evaluated, "accuracy", 0.87, model_id=model_id)
        how.append({"source": f"models:/{model_id}"})
    assert in_two_series(registry(), *how) == ["run_backed", "reused"]


@pytest.mark.parametrize("text", ["", "x" * 37, "run\x01", "a" * 36])
def test_an_origin_that_is_any_text(registry, logged, tracking_uri, text):
    """A tag that is no run's id is no error, and no origin where it is too long for one."""
    runs = [copied(tracking_uri, logged(accuracy=0.87), text) for _copy in range(2)]
    how = [{"run_id": run_id} for run_id in runs]
    second = "reused" if 0 < len(text) <= 36 else "run_backed"
    assert in_two_series(registry(), *how) == ["run_backed", second]


def test_a_revoked_reward_frees_its_origin(registry, logged, tracking_uri):
    """R19: with the reward, the origin is given back as the run is."""
    store = registry()
    one, two = (copied(tracking_uri, logged(accuracy=0.87), "a" * 32) for _copy in range(2))
    register(store, "0.5")
    register(store, "0.87", one)
    revoke(store, events(store)[0]["id"])
    create_version(store, "other", token_tags(**{VALUE: "0.5", TOKEN: "IMG-002"}))
    create_version(store, "other", token_tags(**{VALUE: "0.87", TOKEN: "IMG-002"}), run_id=two)
    assert decision(store, "other", 2)["evidence"] == "run_backed"


@pytest.mark.parametrize("of_copies", [False, True], ids=["one run", "copies of one run"])
@pytest.mark.parametrize("required", ["true", "false"])
def test_two_series_race_for_one_run(registry, logged, tracking_uri, required, of_copies):
    """Of two rewards at once that rest on one run, one does; the other is reused, or refused."""
    stores = [registry(HOKUSAI_REQUIRE_RUN_EVIDENCE=required) for _writer in range(4)]
    lenient = registry()
    for n in range(4):
        create_version(lenient, f"model-{n}", token_tags(**{VALUE: "0.5", TOKEN: f"IMG-{n}"}))
    run_ids, start = 4 * [logged(accuracy=0.87)], Barrier(4)
    if of_copies:
        run_ids = [copied(tracking_uri, logged(accuracy=0.87), "a" * 32) for _copy in range(4)]

    def write(n: int) -> None:
        start.wait()
        tags = token_tags(**{VALUE: "0.87", TOKEN: f"IMG-{n}"})
        try:
            create_version(stores[n], f"model-{n}", tags, run_id=run_ids[n])
        except ValueError as error:
            assert "a reward rests on run" in str(error)  # noqa: PT017  # which fail is open

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = sorted(event["data"]["evidence"] for event in events(lenient))
    assert found == (["run_backed"] if required == "true" else [*3 * ["reused"], "run_backed"])
    assert_sound(lenient)
