"""R8, R9, R13: one improvement is paid once, whatever it is called and wherever it is repeated."""

from __future__ import annotations

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.workspace_context import WorkspaceContext
from support.index import assert_index_is_truth
from support.refusals import refused
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import assert_sound, decided_rows, decision, events, outcome, outcomes, paid

from hokusai_mlflow_plugin.db.schema.tables import state
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.services.index import backfill

DIRECTION = "benchmark_direction"
CONTRIBUTOR = "contributor"


@pytest.fixture
def stock(database_uri):
    """MLflow's own store on the same database."""
    return SqlAlchemyStore(database_uri)


def register(store, *values, name="model", **tags):
    for value in values:
        create_version(store, name, token_tags(**{VALUE: value, **tags}))


def rebuild(store, catalogue=BUILT_IN):
    for _report in backfill.rebuild(store.engine, catalogue):
        pass


def test_names_of_one_metric_share_a_series(store):
    """An improvement is paid once, not once under each name; each tag keeps what was written."""
    register(store, "0.80", "0.90")
    for name in ("accuracy_score", "accuracy", "accuracy_score"):
        register(store, "0.90", **{METRIC: name})
    register(store, "0.91", **{METRIC: "accuracy_score"})
    assert paid(store) == [("model", "2", "10"), ("model", "6", "1")]
    assert {event["data"]["benchmark_metric"] for event in events(store)} == {"accuracy"}
    tags = store.get_model_version("model", "6").tags
    assert tags[METRIC] == "accuracy_score"
    assert_index_is_truth(store)
    assert_sound(store)


def test_renaming_the_metric_decides_nothing(store):
    """Another name of the same metric is no other value."""
    register(store, "0.80", "0.805")
    set_tag(store, "model", 2, METRIC, "accuracy_score")
    assert len(decided_rows(store)) == 2
    with refused(store, "did you mean `accuracy`"):
        set_tag(store, "model", 2, METRIC, "Accuracy")
    assert_sound(store)


def test_closed_catalogue(store_factory):
    """``HOKUSAI_METRICS_POLICY=catalogue`` tokenises no other metric, whichever tag comes last."""
    register(store_factory(), "0.8", **{METRIC: "uplift"})
    store = store_factory(HOKUSAI_METRICS_POLICY="catalogue")
    with refused(store, "not in the metric catalogue"):
        register(store, "0.9", **{METRIC: "uplift"})
    create_version(store, "pending", {METRIC: "uplift"})
    with refused(store, "not in the metric catalogue"):
        set_tag(store, "pending", 1, TOKEN, "IMG-001")
    set_tag(store, "model", 1, VALUE, "0.85")
    assert_index_is_truth(store)


def test_unit_and_threshold(store):
    """A decision and its event carry what they were measured by."""
    register(store, "0.80", "0.90")
    found, event = decision(store), events(store)[0]["data"]
    assert (found["unit"], found["threshold_pp"]) == ("proportion", "1")
    assert (event["unit"], event["threshold_pp"]) == ("proportion", "1")
    register(store, "3", name="other", **{METRIC: "uplift"})
    found = decision(store, "other")
    assert (found["unit"], found["threshold_pp"]) == (None, "1")


@pytest.mark.parametrize(
    ("key", "value"),
    [(CONTRIBUTOR, "alice"), (VALUE, "0.95"), (METRIC, "accuracy_score"), (TOKEN, "IMG-002")],
)
def test_written_past_the_plugin(store, stock, key, value):
    """A complete version that nothing was decided on raises the head, whatever tag is touched."""
    register(store, "0.8")
    register(store, "0.8", name="other", **{TOKEN: "IMG-002"})
    register(stock, "0.9")
    set_tag(store, "model", 2, key, value)
    assert outcome(store, version=2) == "baseline"
    assert "past the plugin" in decision(store, version=2)["reason"]
    assert paid(store) == []
    assert_sound(store)


def test_completed_past_the_plugin_and_mended(store, stock):
    """So does one whose fault is mended: its tags were complete before."""
    register(store, "0.8")
    register(stock, "90%")
    set_tag(store, "model", 2, VALUE, "0.9")
    assert (outcome(store, version=2), paid(store)) == ("baseline", [])


def test_amended_past_the_plugin(store, stock):
    """Nor does a value that a stock server wrote earn when another tag is touched."""
    register(store, "0.8", "0.805")
    set_tag(stock, "model", 2, VALUE, "0.95")
    set_tag(store, "model", 2, CONTRIBUTOR, "alice")
    assert (outcome(store, version=2), paid(store)) == ("baseline", [])
    assert_sound(store)


@pytest.mark.parametrize("last", [TOKEN, METRIC, VALUE])
def test_pending_versions_still_earn(store, stock, last):
    """Tags that were not complete are completed by this write: it is the registration."""
    register(store, "0.8")
    given = token_tags(**{VALUE: "0.9"})
    create_version(stock, tags={key: value for key, value in given.items() if key != last})
    set_tag(store, "model", 2, last, given[last])
    assert paid(store) == [("model", "2", "10")]
    assert_sound(store)


def test_direction_that_is_said_later(store):
    """A series begins with the best of its values, also of those without a direction."""
    register(store, "0.90", **{METRIC: "uplift"})
    said = {METRIC: "uplift", DIRECTION: "maximize"}
    register(store, "0.10", "0.90", "0.92", **said)
    assert outcomes(store, versions=4) == ["baseline", "regressed", "below_threshold", "achieved"]
    assert paid(store) == [("model", "4", "2")]
    assert_sound(store)


def test_direction_that_is_said_when_only_a_copy_is_left(store):
    """A series begins with the value of a copy as well; it stays a copy."""
    first = create_version(store, tags=token_tags(**{METRIC: "uplift", VALUE: "0.90"}))
    store.copy_model_version(first, "copy")
    store.delete_model_version("model", "1")
    said = {METRIC: "uplift", DIRECTION: "maximize"}
    register(store, "0.91", **said)
    assert decision(store)["baseline"] == {"name": "copy", "version": "1", "value": "0.9"}
    assert outcome(store, "copy") == "copy"
    assert paid(store) == [("model", "2", "1")]
    assert_sound(store)


@pytest.mark.parametrize("rebuilt", [True, False])
def test_direction_that_the_catalogue_learns(store, store_factory, tmp_path, rebuilt):
    """The same where the metric is added to the catalogue, with and without a rebuild."""
    register(store, "0.90", "0.10", **{METRIC: "uplift"})
    file = tmp_path / "metrics.toml"
    file.write_text(
        '[metrics.uplift]\ndirection = "maximize"\nunit = "ratio"\nthreshold = "0.04"\n'
    )
    later = store_factory(HOKUSAI_METRICS_FILE=str(file))
    if rebuilt:
        rebuild(later, later.settings.catalogue)
    register(later, "0.90", "0.95", **{METRIC: "uplift"})
    assert paid(later) == [("model", "4", "5")]
    begun = decision(later, version=1)
    assert (begun["outcome"], begun["unit"], begun["threshold_pp"]) == ("baseline", "ratio", "4")
    assert_sound(later)
    assert_index_is_truth(later)


def test_direction_that_was_said_past_the_plugin(store, stock):
    """A rebuild begins with the best value as well, whichever version says the direction."""
    register(stock, "0.90", **{METRIC: "uplift"})
    register(stock, "0.10", **{METRIC: "uplift", DIRECTION: "maximize"})
    rebuild(store)
    register(store, "0.90", **{METRIC: "uplift", DIRECTION: "maximize"})
    assert (outcome(store, version=3), paid(store)) == ("below_threshold", [])
    assert_sound(store)


def test_a_rebuild_raises_no_head_to_a_value_that_was_decided_on(store):
    """What was below the threshold stays that: the next step is measured from the head."""
    register(store, "0.85", "0.855")
    rebuild(store)
    register(store, "0.86")
    assert paid(store) == [("model", "3", "1")]
    assert_sound(store)


@pytest.fixture
def teams(store_factory, monkeypatch):
    """A store with workspaces."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    return store_factory()


A, B = WorkspaceContext("team-a"), WorkspaceContext("team-b")


def test_one_token_in_two_workspaces(teams):
    """R18: a token that is assigned to another workspace earns there for what is new on the server.

    Only what is better than anywhere earns: a copied model is not paid again.
    """

    def assign():
        teams.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"], reassign=True)

    with A:
        register(teams, "0.5", "0.6", "0.7")
    with B:
        assign()
        register(teams, "0.5", "0.6", "0.7")
        assert outcomes(teams, versions=3) == ["baseline", "baseline", "baseline"]
        assert "another workspace" in decision(teams, version=3)["reason"]
        assert paid(teams) == []
        register(teams, "0.75")
        assert paid(teams) == [("model", "4", "5")]
    with A:
        assign()
        register(teams, "0.76", "0.78")
        assert paid(teams) == [("model", "2", "10"), ("model", "3", "10"), ("model", "5", "2")]
    assert_sound(teams)


def test_rewards_off(store, store_factory):
    """R13: history that comes in over the API raises heads, and earns nothing."""
    importing = store_factory(HOKUSAI_REWARDS="off")
    register(importing, "0.5", "0.6", "0.605", "0.7")
    found = decision(importing)
    assert (found["outcome"], found["improvement_pp"]) == ("baseline", "10")
    assert "HOKUSAI_REWARDS=off" in found["reason"]
    assert paid(importing) == []
    register(store, "0.7", "0.72")
    assert paid(store) == [("model", "6", "2")]
    assert_sound(store)


def test_a_clock_that_was_ahead(stock_database_uri, store_factory, monkeypatch):
    """What was taken over is known by itself, not by a time: a wrong clock costs nobody."""
    register(SqlAlchemyStore(stock_database_uri), "0.8")
    with monkeypatch.context() as patch:
        patch.setattr("time.time_ns", lambda: 2**62)
        store = store_factory()
    register(store, "0.9")
    assert paid(store) == [("model", "2", "10")]


@pytest.fixture
def earlier(store_factory):
    """A store that knows no metric: names have series of their own, as in an earlier release."""
    store = store_factory()
    object.__setattr__(store.settings, "catalogue", type(BUILT_IN)())
    return store


UP = {DIRECTION: "maximize"}


@pytest.mark.parametrize("canonical", [None, "0.85", "0.95"])
def test_series_of_two_names_are_joined(earlier, store_factory, canonical):
    """The better head goes on, events stay, and nothing is paid for the joining."""
    register(earlier, "0.80", "0.90", **{METRIC: "accuracy_score", **UP})
    register(earlier, "0.70", "0.88", name="look", **{METRIC: "Accuracy", **UP})
    if canonical is not None:
        register(earlier, "0.80", canonical, name="third", **UP)
    before = events(earlier)
    store = store_factory()
    rebuild(store)
    rebuild(store)
    assert events(store) == before
    best = max("0.9", canonical or "0.9")
    assert outcome(store, version=2) == outcome(store, "look", 2) == "achieved"
    register(store, best, str(round(float(best) + 0.02, 2)), name="next")
    assert outcomes(store, "next", 2) == ["below_threshold", "achieved"]
    assert len(events(store)) == len(before) + 1
    assert_index_is_truth(store)
    assert_sound(store)


def test_the_decision_that_joins(earlier, store_factory):
    """It tells what it joins and by what it measures; it is in force on nothing."""
    register(earlier, "0.80", "0.90", **{METRIC: "accuracy_score", **UP})
    register(earlier, "0.95", name="third", **UP)
    set_tag(earlier, "third", 1, VALUE, "0.85")
    known = {row["decision_id"]: row for row in decided_rows(earlier)}
    rebuild(store_factory())
    (joining,) = [row for row in decided_rows(earlier) if row["decision_id"] not in known]
    assert joining["reason"] == (
        "accuracy_score and accuracy are names of one metric: the better head of their series goes "
        "on. Nothing is earned for it."
    )
    assert joining["supersedes"] == joining["decision_id"]
    assert (joining["value"], joining["baseline_value"], joining["improvement_pp"]) == (
        "0.9",
        "0.85",
        "5",
    )
    assert (joining["unit"], joining["threshold_pp"]) == ("proportion", "1")
    assert joining["falls"] == 1
    assert isinstance(joining["decided_time"], int)
    assert joining["decided_time"] >= max(row["decided_time"] for row in known.values())


def test_a_percentage_is_not_joined(earlier, store_factory):
    """What is out of the metric's bounds, or goes the other way, was another number."""
    register(earlier, "80", "85", **{METRIC: "Accuracy", **UP})
    register(earlier, "0.80", "0.85", name="other", **UP)
    store = store_factory()
    rebuild(store)
    register(store, "0.87", name="other")
    assert paid(store)[-1] == ("other", "3", "2")
    assert_sound(store)


def test_joined_at_the_upgrade(earlier, store_factory):
    """The migration has the next start join them, and note the runs of earlier rewards."""
    register(earlier, "0.80", "0.90", **{METRIC: "accuracy_score", **UP})
    with earlier.engine.begin() as connection:
        pending = sealed(state, {"key": "backfill", "value": "pending"})
        connection.execute(state.update().where(state.c.key == "backfill").values(pending))
    store = store_factory()
    register(store, "0.90", name="next")
    assert (outcome(store, "next"), len(paid(store))) == ("below_threshold", 1)
    assert_sound(store)
