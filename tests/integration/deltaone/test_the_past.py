"""What was not written through the plugin earns nothing; what was rewarded stays locked (R10, R13).

Data from before the plugin, a stock server's writes, an index row that is lost, the audit policy:
whatever happened to a version meanwhile, nobody is paid twice for one step, or for the past.
"""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text
from support.index import assert_index_is_truth
from support.registry import METRIC, TOKEN, VALUE, create_model, create_version, set_tag, token_tags
from support.rewards import assert_sound, decision, outcome, outcomes, paid

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import backfill

DIRECTION = "benchmark_direction"
CONTRIBUTOR = "contributor"
UPLIFT = {METRIC: "uplift"}


@pytest.fixture
def stock(database_uri):
    """MLflow's own store on the same database."""
    return SqlAlchemyStore(database_uri)


@pytest.fixture
def old(stock_database_uri):
    """The same before the plugin's first start."""
    return SqlAlchemyStore(stock_database_uri)


def rebuild(store):
    for _report in backfill.rebuild(store.engine, BUILT_IN):
        pass


def register(store, *values, **tags):
    for value in values:
        create_version(store, tags=token_tags(**{VALUE: value, **tags}))


def assert_locked(store, version, key, value):
    with pytest.raises(MlflowException, match="a DeltaOne rests on this version") as caught:
        set_tag(store, "model", version, key, value)
    assert caught.value.error_code == "RESOURCE_CONFLICT"


def test_old_version_that_is_mended_later(old, store_factory):
    """A value from before the plugin raises the head when its fault is mended, earning nothing."""
    register(old, "0.5", "90%")
    store = store_factory()
    set_tag(store, "model", 2, VALUE, "0.9")
    found = decision(store, version=2)
    assert (found["outcome"], found["improvement_pp"]) == ("baseline", "40")
    assert "past the plugin" in found["reason"]
    register(store, "0.905", "0.92")
    assert paid(store) == [("model", "4", "2")]
    assert_sound(store)


@pytest.mark.parametrize("values", [("0.9",), ("0.5", "0.9")])
def test_imported_values_are_not_mended_for_a_reward(store, store_factory, values):
    """R13: what came in with rewards off was paid elsewhere, if it was. Its owner takes it back and
    registers it again: nothing is earned.
    """
    register(store_factory(HOKUSAI_REWARDS="off"), *values)
    set_tag(store, "model", len(values), VALUE, "0.4")
    assert outcome(store, version=len(values)) == "regressed"
    register(store, "0.9", "0.92")
    assert paid(store) == [("model", str(len(values) + 2), "2")]
    assert_sound(store)


def test_values_past_the_plugin_are_not_mended_for_a_reward(store, stock):
    """Nor for what a stock server wrote, once it was decided on."""
    register(store, "0.5")
    register(stock, "0.9")
    set_tag(store, "model", 2, CONTRIBUTOR, "alice")
    set_tag(store, "model", 2, VALUE, "0.4")
    register(store, "0.9")
    assert paid(store) == []
    assert_sound(store)


def test_old_versions_whose_direction_is_said_later(old, store_factory):
    """Neither earns from the other."""
    register(old, "0.5", "0.9", **UPLIFT)
    store = store_factory()
    for version in (1, 2):
        set_tag(store, "model", version, DIRECTION, "maximize")
    assert paid(store) == []
    register(store, "0.6", "0.9", "0.91", **UPLIFT, **{DIRECTION: "maximize"})
    assert paid(store) == [("model", "5", "1")]
    assert_sound(store)


@pytest.mark.parametrize(
    ("value", "direction", "head"),
    [("0.4", "minimize", "0.5"), ("0.9", "minimize", "0.5"), ("0.9", "maximize", "0.9")],
)
def test_the_series_direction_counts_past_the_plugin(store, stock, value, direction, head):
    """A stock server's value raises the head where its direction is that of the series."""
    register(store, "0.5", **UPLIFT, **{DIRECTION: "maximize"})
    register(stock, value, **UPLIFT, **{DIRECTION: direction})
    rebuild(store)
    register(store, "0.3", **UPLIFT, **{DIRECTION: "maximize"})
    assert decision(store)["baseline"]["value"] == head
    assert_sound(store)


def test_new_versions_begin_where_the_old_ones_were(old, store_factory):
    """The series of an unknown metric begins at the best old value, once a direction is said."""
    register(old, "0.9", "0.7", **UPLIFT)
    store = store_factory()
    register(store, "0.5", "0.9", "0.95", **UPLIFT, **{DIRECTION: "maximize"})
    found = [outcome(store, version=version) for version in (1, 3, 4, 5)]
    assert found == ["baseline", "regressed", "below_threshold", "achieved"]
    assert paid(store) == [("model", "5", "5")]
    assert_sound(store)


def test_stock_server_for_a_while(stock, store):
    """What was registered meanwhile raises the head at the rebuild; to repeat it earns nothing."""
    register(store, "0.4")
    register(stock, "0.5", "0.9", "0.7")
    rebuild(store)
    rebuild(store)  # nothing is left to do
    register(store, "0.6", "0.9", "0.95")
    assert paid(store) == [("model", "7", "5")]
    set_tag(store, "model", 4, VALUE, "0.99")
    assert outcome(store, version=4) == "baseline"
    assert paid(store) == [("model", "7", "5")]
    assert_index_is_truth(store)
    assert_sound(store)


@pytest.mark.parametrize("key", [TOKEN, METRIC, VALUE])
def test_tags_written_past_the_plugin_are_not_taken_away(stock, store, key):
    """R5: such a version is tokenised; a tag deleted and set again would be paid for (R9)."""
    register(store, "0.5")
    register(stock, "0.9")
    with pytest.raises(ValueError, match="cannot be deleted"):
        store.delete_model_version_tag("model", "2", key)
    set_tag(store, "model", 2, DIRECTION, "maximize")
    assert outcome(store, version=2) == "baseline"
    assert paid(store) == []
    assert_index_is_truth(store)
    assert_sound(store)


def test_rewarded_version_that_a_stock_server_amends(stock, store):
    """Its tags are locked again, and the value that somebody wrote earns nothing."""
    register(store, "0.8", "0.9")
    set_tag(stock, "model", 2, VALUE, "0.95")
    rebuild(store)
    assert_locked(store, 2, VALUE, "0.99")
    assert_locked(store, 2, CONTRIBUTOR, "mallory")
    register(store, "0.96")
    assert paid(store) == [("model", "2", "10"), ("model", "3", "1")]
    assert_sound(store)


def test_lost_index_row(store):
    """The lock rests on the decisions, not on the derived index; also after a rename."""
    register(store, "0.8", "0.9")
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM hokusai_token_index"))
    assert_locked(store, 2, VALUE, "0.99")
    assert_locked(store, 1, VALUE, "0.1")
    store.rename_registered_model("model", "other")
    store.rename_registered_model("other", "model")
    assert_locked(store, 2, CONTRIBUTOR, "mallory")
    rebuild(store)
    assert outcomes(store, versions=2) == ["baseline", "achieved"]
    assert_index_is_truth(store)
    assert_sound(store)


def test_earlier_decision_locks_too(store):
    """A DeltaOne was measured against what a version once was: amended since, it is locked."""
    register(store, "0.85")
    for value in ("0.855", "0.85"):
        set_tag(store, "model", 1, VALUE, value)
    create_version(store, "second", token_tags(**{VALUE: "0.87"}))
    assert paid(store) == [("second", "1", "2")]
    assert_locked(store, 1, VALUE, "0.1")
    set_tag(store, "model", 1, CONTRIBUTOR, "alice")  # who is paid for it, nobody was told
    assert_sound(store)


def test_correcting_the_head_earns_nothing(store):
    """A version that amends its own value has improved on nobody; the head moves with it."""
    register(store, "0.085")
    set_tag(store, "model", 1, VALUE, "0.85")
    found = decision(store)
    assert (found["outcome"], found["improvement_pp"]) == ("baseline", "76.5")
    assert "amends its own value" in found["reason"]
    register(store, "0.86")
    assert paid(store) == [("model", "2", "1")]
    assert_sound(store)


def test_audited_changes_do_not_unlock(store_factory):
    """What policy audit lets pass on a rewarded version earns nothing, and ends with the policy."""
    audited, strict = store_factory(HOKUSAI_POLICY="audit"), store_factory()
    register(strict, "0.85", "0.87")
    for value in ("0.88", "0.89", "0.87"):
        set_tag(audited, "model", 2, VALUE, value)
    assert paid(strict) == [("model", "2", "2")]
    assert_locked(strict, 2, VALUE, "0.99")
    assert_locked(strict, 2, CONTRIBUTOR, "mallory")
    assert_sound(strict)


def test_damaged_series(store):
    """Where the decision that set a head is gone, nothing is decided, and the error says so."""
    register(store, "0.8")
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM hokusai_decisions"))
    with pytest.raises(MlflowException, match="rewards verify") as caught:
        register(store, "0.9")
    assert caught.value.error_code == "RESOURCE_CONFLICT"
    create_model(store, "elsewhere")
    assert paid(store) == []


def test_a_head_that_is_lost(store):
    """A series begun anew with a rewarded version leaves that one's decision in force, and tells
    what backs the value as it does.
    """
    register(store, "0.5", "0.9")
    before = decision(store, version=2)
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM hokusai_series"))
        connection.execute(
            text("UPDATE hokusai_decisions SET logged_value = '0.9', experiment_id = 7")
        )
    rebuild(store)
    assert decision(store, version=2)["outcome"] == before["outcome"] == "achieved"
    carried = text(
        "SELECT supersedes = decision_id, logged_value, experiment_id FROM hokusai_decisions"
        " WHERE decision_id = (SELECT head_decision_id FROM hokusai_series)"
    )
    with store.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(carried)] == [(True, "0.9", 7)]
    register(store, "0.905")
    assert outcome(store, version=3) == "below_threshold"
