"""R17: versions that their registered model tokenises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient
from support.index import assert_index_is_truth, indexed_versions
from support.refusals import refused
from support.registry import (
    METRIC,
    PROMPT,
    TOKEN,
    VALUE,
    create_model,
    create_version,
    set_model_tag,
    token_tags,
)
from support.rewards import assert_sound, decision, paid

from hokusai_mlflow_plugin.store.registry_store import build_store

BOUND = {TOKEN: "IMG-001", METRIC: "accuracy"}


@pytest.fixture
def store_factory(database_uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Opens the plugin's store where runs are tracked in the same database, with settings."""

    def make(**environ: str) -> Any:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            return build_store(f"hokusai+{database_uri}", database_uri)

    return make


@pytest.fixture
def tracking(database_uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=database_uri)


@pytest.fixture
def logged(tracking: MlflowClient, tmp_path: Any) -> Callable[..., str]:
    """Makes a run that logged metrics: ``logged({"tag": "value"}, accuracy=[0.8, 0.9])``."""
    experiment = tracking.create_experiment("bindings", str(tmp_path / "artifacts"))

    def log(tags: dict[str, str] | None = None, **metrics: float | list[float]) -> str:
        run_id = tracking.create_run(experiment, tags=tags).info.run_id
        for name, values in metrics.items():
            for step, value in enumerate(values if isinstance(values, list) else [values]):
                tracking.log_metric(run_id, name, value, step=step)
        return str(run_id)

    return log


def test_a_bound_version(store: Any, logged: Callable[..., str]) -> None:
    """A version without token tags gets all three, in its answer and in the index."""
    create_model(store, tags=BOUND)
    run_id = logged(accuracy=0.1 + 0.2)
    version = create_version(store, tags={"note": "a"}, run_id=run_id)
    assert version.tags == {
        **BOUND,
        VALUE: "0.30000000000000004",
        "hokusai_tags_from": run_id,
        "note": "a",
    }
    assert store.get_model_version("model", "1").tags == version.tags
    assert decision(store)["evidence"] == "run_backed"
    assert indexed_versions(store) == [("model", 1, "IMG-001")]
    assert_index_is_truth(store)


def test_it_earns_as_any_other(store: Any, logged: Callable[..., str]) -> None:
    """A bound version that is better by a point is a DeltaOne, for its run's contributor."""
    create_model(store, tags=BOUND)
    address = "0x742d35cc6634c0532925a3b844bc9e7595f5b4e1"
    create_version(store, tags={}, run_id=logged(accuracy=0.8))
    run_id = logged({"contributor_address": address}, accuracy=0.9)
    version = create_version(store, tags={}, run_id=run_id)
    assert version.tags["contributor_address"] == address
    assert paid(store) == [("model", "2", "10")]
    assert_sound(store)


@pytest.mark.parametrize(
    ("metrics", "value"),
    [
        ({"accuracy": [0.5, 0.7, 0.6]}, "0.6"),
        ({"accuracy_score": 0.4, "accuracy": 0.5}, "0.5"),
        ({"accuracy_score": 0.4}, "0.4"),
        ({"Accuracy": 0.4}, None),
        ({"accuracy": float("nan")}, None),
        ({"loss": 0.4}, None),
    ],
)
def test_which_value_of_a_run_counts(
    store: Any, logged: Callable[..., str], metrics: dict[str, Any], value: str | None
) -> None:
    """Of a run the latest value counts, under the first of the metric's names."""
    create_model(store, tags=BOUND)
    version = create_version(store, tags={}, run_id=logged(**metrics))
    assert version.tags.get(VALUE) == value
    assert (TOKEN in version.tags) == (value is not None)


def test_the_run_comes_before_the_logged_model(
    store: Any, tracking: MlflowClient, logged: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a logged model the last value counts, where its run logged none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tracking.tracking_uri))
    create_model(store, tags=BOUND)
    made, evaluated = logged(), logged()
    experiment = tracking.get_run(made).info.experiment_id
    model = tracking.create_logged_model(experiment, source_run_id=made).model_id
    for step, value in enumerate((0.3, 0.2)):
        tracking.log_metric(evaluated, "accuracy", value, 1_000 + step, step, model_id=model)
    source = f"models:/{model}"
    version = create_version(store, tags={}, source=source, run_id=made)
    assert (version.tags[VALUE], version.tags["hokusai_tags_from"]) == ("0.2", evaluated)
    tracking.log_metric(made, "accuracy", 0.1)
    version = create_version(store, tags={}, source=source, run_id=made)
    assert (version.tags[VALUE], version.tags["hokusai_tags_from"]) == ("0.1", made)


@pytest.mark.parametrize("model_tags", [{}, {TOKEN: "IMG-001"}, {METRIC: "accuracy"}])
def test_a_model_that_binds_nothing(
    store: Any, logged: Callable[..., str], model_tags: dict[str, str]
) -> None:
    """Without both tags the versions stay as they are registered."""
    create_model(store, tags=model_tags)
    assert create_version(store, tags={}, run_id=logged(accuracy=0.9)).tags == {}


def test_a_version_with_tags_of_its_own(store: Any, logged: Callable[..., str]) -> None:
    """Who gives token tags has them checked as ever, and a prompt is left alone."""
    create_model(store, tags=BOUND)
    run_id = logged(accuracy=0.9)
    version = create_version(store, tags=token_tags(**{VALUE: "0.5"}), run_id=run_id)
    assert version.tags[VALUE] == "0.5"
    with refused(store, "Required tag"):
        create_version(store, tags={TOKEN: "IMG-001"}, run_id=run_id)
    assert TOKEN not in create_version(store, tags={PROMPT: "true"}, run_id=run_id).tags


def test_a_copy_keeps_what_it_brings(
    store: Any, client: MlflowClient, logged: Callable[..., str]
) -> None:
    """copy_model_version into a bound model makes no tokenised version of an ordinary one."""
    create_version(store, "other", tags={"note": "a"}, run_id=logged(accuracy=0.9))
    create_model(store, tags=BOUND)
    assert client.copy_model_version("models:/other/1", "model").tags == {"note": "a"}


def test_what_a_run_logged_is_checked(store: Any, logged: Callable[..., str]) -> None:
    """A logged value that no benchmark can have is refused, and who reads that knows why."""
    create_model(store, tags=BOUND)
    run_id = logged(accuracy=93.5)
    with refused(store, "out of bounds", "tokenised by its registered model", run_id):
        create_version(store, tags={}, run_id=run_id)


def test_strict(store_factory: Callable[..., Any], logged: Callable[..., str]) -> None:
    """Where every version must be tokenised, one whose run did not log the metric is refused."""
    strict = store_factory(HOKUSAI_POLICY="strict")
    create_model(strict, tags=BOUND)
    with refused(strict, "strict"):
        create_version(strict, tags={}, run_id=logged(loss=1))
    assert create_version(strict, tags={}, run_id=logged(accuracy=1)).tags[VALUE] == "1.0"


def test_the_tags_of_the_model_are_checked(store: Any) -> None:
    """A bound model's metric is one, and not a catalogue metric's name misspelt."""
    with refused(store, "did you mean"):
        create_model(store, tags={**BOUND, METRIC: "Accuracy"})
    with refused(store, "Token ID format invalid", "2 faults"):
        create_model(store, tags={TOKEN: "img", METRIC: "Accuracy"})
    create_model(store, tags={METRIC: "Accuracy"})
    with refused(store, "did you mean"):
        set_model_tag(store, "model", TOKEN, "IMG-001")
    set_model_tag(store, "model", METRIC, "accuracy")
    set_model_tag(store, "model", TOKEN, "IMG-001")
    with refused(store, "did you mean"):
        set_model_tag(store, "model", METRIC, "ACCURACY")
