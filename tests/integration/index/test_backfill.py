"""Installing on a database that already holds tagged versions (R13)."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from support.index import assert_index_is_truth
from support.registry import VALUE, create_version, set_tag, token_tags
from support.rewards import decided_rows

from hokusai_mlflow_plugin.db.index import take_over
from hokusai_mlflow_plugin.db.schema import migrations
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.deltaone import past_heads
from hokusai_mlflow_plugin.services.index import backfill, maintenance
from hokusai_mlflow_plugin.services.queries import deltaone
from hokusai_mlflow_plugin.services.queries.lineage import get_lineage
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.queries.tokens import get_token


@pytest.fixture
def old_store(stock_database_uri: str) -> Any:
    """MLflow's own store, with what users tagged before the plugin was there."""
    store = SqlAlchemyStore(stock_database_uri)
    for name, value in (("a", "0.80"), ("a", "0.91"), ("b", "0.85"), ("b", "9.1")):
        create_version(store, name, token_tags(benchmark_value=value))
    create_version(store, "c", token_tags(hokusai_token_id="ERR-001", benchmark_metric="rmse"))
    create_version(
        store,
        "c",
        token_tags(hokusai_token_id="ERR-001", benchmark_metric="rmse", benchmark_value="0.4"),
    )
    create_version(store, "d", token_tags(benchmark_metric="unheard_of"))
    create_version(store, "e", {"hokusai_token_id": "img_001"})
    return store


def series(store: Any, token_id: str = "IMG-001") -> list[dict[str, Any]]:
    return store.ask(get_token, token_id)["token"]["series"]


def events(store: Any) -> list[dict[str, Any]]:
    return store.ask(list_events)["reward_events"]


def test_opening_takes_over_what_is_there(old_store, store):
    """Old versions are indexed, each series begins with its best value, and nothing is paid."""
    assert_index_is_truth(store)
    assert events(store) == []
    (accuracy,) = series(store)
    assert accuracy["head"] == {"name": "a", "version": "2", "value": "0.91"}
    (rmse,) = series(store, "ERR-001")
    assert rmse["direction"] == "minimize"
    assert rmse["head"] == {"name": "c", "version": "2", "value": "0.4"}
    begun = {row["benchmark_metric"]: row for row in decided_rows(store)}
    assert begun.keys() == {"accuracy", "rmse"}
    assert (begun["accuracy"]["unit"], begun["accuracy"]["threshold_pp"]) == ("proportion", "1")
    assert isinstance(begun["accuracy"]["decided_time"], int)


def test_only_the_best_value_has_a_decision(old_store, store):
    """The past is not judged: the version that holds the head is its baseline, no other decided."""
    decisions = [item["decision"] for item in store.ask(get_lineage, "a")["lineage"]]
    assert decisions[0] is None
    assert decisions[1]["outcome"] == "baseline"
    assert "was there when the series began" in decisions[1]["reason"]


def test_a_metric_without_direction_gets_no_head(old_store, store):
    """Nobody said which way is better, so nothing begins, and the next value does not pay."""
    assert [each["benchmark_metric"] for each in series(store)] == ["accuracy"]
    create_version(store, "d", token_tags(benchmark_metric="unheard_of", benchmark_value="0.99"))
    assert store.ask(deltaone.detect, "d")["decision"]["outcome"] == "direction_unknown"


def test_a_declared_direction_counts(stock_database_uri, store_factory):
    """An old version's ``benchmark_direction`` tag gives its series a direction."""
    old = SqlAlchemyStore(stock_database_uri)
    for value in ("7", "5", "6"):
        tags = token_tags(
            benchmark_metric="seconds", benchmark_value=value, benchmark_direction="minimize"
        )
        create_version(old, "fast", tags)
    (seconds,) = series(store_factory())
    assert seconds["head"] == {"name": "fast", "version": "2", "value": "5"}


@pytest.mark.parametrize(
    ("value", "outcome", "paid"),
    [("0.92", "achieved", "1"), ("0.919", "below_threshold", None), ("0.85", "regressed", None)],
)
def test_the_next_value_is_measured_against_the_best_old_one(
    old_store, store, value, outcome, paid
):
    """Only what beats the best value found pays."""
    create_version(store, "b", token_tags(benchmark_value=value))
    assert store.ask(deltaone.detect, "b")["decision"]["outcome"] == outcome
    assert [event["data"]["improvement_pp"] for event in events(store)] == ([paid] if paid else [])


def test_touching_an_old_version_does_not_decide_it(old_store, store):
    """Completing an old version's other tags is no improvement of its value."""
    set_tag(store, "a", 1, "contributor", "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1")
    assert store.ask(deltaone.detect, "a", version=1)["decision"] is None
    set_tag(store, "a", 1, VALUE, "0.800")
    assert store.ask(deltaone.detect, "a", version=1)["decision"] is None
    assert events(store) == []


def test_interrupted_and_opened_again(old_store, database_uri, store_factory, monkeypatch):
    """A backfill that ended half-way goes on when the registry is opened next."""
    engine = old_store.engine
    migrations.upgrade(engine)
    next(iter(backfill.run(engine, BUILT_IN)))
    assert backfill.is_pending(engine)
    store = store_factory()
    assert not backfill.is_pending(engine)
    assert_index_is_truth(store)
    assert series(store)[0]["head"]["value"] == "0.91"


def test_heads_are_begun_once(old_store, store):
    """Running it again neither moves a head nor decides anything a second time."""
    create_version(store, "b", token_tags(benchmark_value="0.95"))
    before = series(store)
    list(past_heads.begin_heads(store.engine, BUILT_IN))
    assert series(store) == before
    assert len(events(store)) == 1


def test_many_tokens_in_small_batches(stock_database_uri, store_factory, monkeypatch):
    """A token's values are judged together, wherever a batch ends."""
    monkeypatch.setattr(past_heads, "_BATCH_ROWS", 3)
    old = SqlAlchemyStore(stock_database_uri)
    for number in range(4):
        for value in ("0.1", "0.5", "0.3"):
            tags = token_tags(hokusai_token_id=f"TOK-{number}", benchmark_value=value)
            create_version(old, f"model {number}", tags)
    store = store_factory()
    for number in range(4):
        (one,) = series(store, f"TOK-{number}")
        assert one["head"]["value"] == "0.5"


def test_a_batch_is_bounded(old_store, store, monkeypatch):
    """Each transaction looks at few rows; at those of one token whole."""
    for number in range(3):
        for value in ("0.1", "0.2"):
            tags = token_tags(hokusai_token_id=f"TOK-{number}", benchmark_value=value)
            create_version(store, f"model {number}", tags)
    list(past_heads.begin_heads(store.engine, BUILT_IN))
    monkeypatch.setattr(past_heads, "_BATCH_ROWS", 2)
    counts = list(past_heads.begin_heads(store.engine, BUILT_IN))
    assert counts == [2, 4, 2, 2, 2, 0]  # ERR-001, IMG-001, each of the others, nothing more


@pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
def test_a_series_that_a_server_has_just_begun(database_uri, store, monkeypatch):
    """The batch is judged again, against the head that is there now. SQLite has one writer."""
    directly, new = past_heads._write, {"hokusai_token_id": "NEW-1"}
    stock = SqlAlchemyStore(database_uri)
    create_version(stock, "old", token_tags(**new, benchmark_value="0.5"))
    list(maintenance.rebuild(store.engine, BUILT_IN))
    attempts = []

    def write(*args):
        if not attempts:
            create_version(store, "new", token_tags(**new, benchmark_value="0.7"))
        attempts.append(args)
        directly(*args)

    monkeypatch.setattr(past_heads, "_write", write)
    list(past_heads.begin_heads(store.engine, BUILT_IN))
    assert len(attempts) > 1
    (one,) = series(store, "NEW-1")
    assert one["head"] == {"name": "new", "version": "1", "value": "0.7"}
    assert [event["data"]["baseline"]["value"] for event in events(store)] == ["0.5"]


def test_no_direction_hides_no_other_series(old_store, store_factory):
    """What comes behind a series without a head begins as ever, whatever its token and metric."""
    for token_id, metric in (("AAA-001", "unheard_of"), ("IMG-001", "Aunheard")):
        tags = token_tags(hokusai_token_id=token_id, benchmark_metric=metric)
        create_version(old_store, "nobody said", tags)
    store = store_factory()
    assert [each["head"]["value"] for each in series(store)] == ["0.91"]
    assert [each["head"]["value"] for each in series(store, "ERR-001")] == ["0.4"]
    assert series(store, "AAA-001") == []


@pytest.mark.parametrize(("direction", "head"), [("maximize", "9"), ("minimize", "1")])
def test_one_old_version_says_the_direction(stock_database_uri, store_factory, direction, head):
    """The others of its series count by it, wherever among them it is."""
    old = SqlAlchemyStore(stock_database_uri)
    for value in ("5", "9", "1", "7"):
        create_version(old, "m", token_tags(benchmark_metric="uplift", benchmark_value=value))
    said = {"benchmark_direction": direction}
    create_version(old, "m", token_tags(benchmark_metric="uplift", benchmark_value="6", **said))
    (uplift,) = series(store_factory())
    assert (uplift["direction"], uplift["head"]["value"]) == (direction, head)


def test_an_operators_metric(stock_database_uri, store_factory, tmp_path):
    """A series of the past begins by the unit and the threshold of its metric."""
    file = tmp_path / "metrics.toml"
    file.write_text('[metrics.churn]\ndirection = "minimize"\nunit = "ratio"\nthreshold = "0.1"\n')
    churn = token_tags(benchmark_metric="churn", benchmark_value="0.5")
    create_version(SqlAlchemyStore(stock_database_uri), "m", churn)
    store = store_factory(HOKUSAI_METRICS_FILE=str(file))
    (begun,) = decided_rows(store)
    assert (begun["unit"], begun["threshold_pp"]) == ("ratio", "10")
    assert (begun["outcome"], begun["baseline_value"]) == ("baseline", None)


def test_without_automatic_migration(old_store, store_factory):
    """A server that must not migrate refuses to start, and names the command."""
    with pytest.raises(Exception, match="hokusai-mlflow db upgrade"):
        store_factory(HOKUSAI_AUTO_MIGRATE="false")
    migrations.upgrade(old_store.engine)
    with pytest.raises(Exception, match=r"not indexed yet.*hokusai-mlflow db upgrade"):
        store_factory(HOKUSAI_AUTO_MIGRATE="false")
    list(backfill.run(old_store.engine, BUILT_IN))
    store = store_factory(HOKUSAI_AUTO_MIGRATE="false")
    assert_index_is_truth(store)


def test_the_state_is_kept(old_store, store):
    """Taking over happens once for each database."""
    with store.engine.connect() as connection:
        assert not take_over.is_pending(connection)
