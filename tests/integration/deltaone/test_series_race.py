"""R9 where writers race in one series, and where they are killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import ServerWorkspaceContext
from support.killed import killable
from support.refusals import registry_rows
from support.registry import METRIC, TOKEN, VALUE, create_model, create_version, set_tag, token_tags
from support.rewards import assert_sound, decided_rows, events, faults, outcome, rows

from hokusai_mlflow_plugin.db.deltaone import series_heads
from hokusai_mlflow_plugin.db.keys import SeriesId

WRITERS = 32


@pytest.fixture
def store(store_factory):
    """A store with a connection for each writer at once."""
    return store_factory(MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=str(WRITERS))


@pytest.fixture
def race(store, store_factory):
    """Does ``write(store, n)`` for each ``n`` at the same moment, each in a thread with a store of
    its own; all must succeed.
    """

    def run(write: Callable[[Any, int], object], writers: int = WRITERS) -> None:
        start = threading.Barrier(writers)
        stores = [store_factory() for _writer in range(writers)]

        def begin(n: int) -> None:
            start.wait()
            write(stores[n], n)

        with ThreadPoolExecutor(writers) as pool:
            for done in [pool.submit(begin, n) for n in range(writers)]:
                done.result()

    return run


def rising(seed: int) -> list[str]:
    """A value for each writer, each better than the one before it by a point; in random order."""
    values = [f"{0.2 + step / 100:.2f}" for step in range(WRITERS)]
    random.Random(seed).shuffle(values)
    return values


@pytest.mark.parametrize("models", [1, WRITERS])
def test_registrations_race(store, race, models):
    """32 writers with rising values, in random order and all at once: every version is decided on,
    one after the other, and no step is paid twice.

    In one model, and in as many models as writers, where nothing but the series is shared.
    """
    values = rising(models)
    for n in range(models):
        create_model(store, f"model-{n}")
    create_version(store, "model-0", token_tags(**{VALUE: "0.1"}))
    race(
        lambda own, n: create_version(own, f"model-{n % models}", token_tags(**{VALUE: values[n]}))
    )
    assert len(decided_rows(store)) == WRITERS + 1
    assert events(store)[-1]["data"]["value"] == max(values)
    assert_sound(store)


def test_beginnings_race(store, race):
    """Of 32 writers that begin a series at once one is the baseline; the others are measured."""
    values = rising(0)
    for n in range(WRITERS):
        create_model(store, f"model-{n}")
    race(lambda own, n: create_version(own, f"model-{n}", token_tags(**{VALUE: values[n]})))
    assert [row["outcome"] for row in decided_rows(store)].count("baseline") == 1
    assert_sound(store)


def test_the_same_improvement_races(store, race):
    """32 writers with one and the same better value: one of them is paid."""
    create_version(store, tags=token_tags(**{VALUE: "0.1"}))
    for n in range(WRITERS):
        create_model(store, f"model-{n}")
    race(lambda own, n: create_version(own, f"model-{n}", token_tags(**{VALUE: "0.2"})))
    assert len(events(store)) == 1
    assert_sound(store)


@pytest.mark.parametrize("seed", range(3))
def test_workspaces_race(database_uri, store_factory, race, monkeypatch, seed):
    """Writers in four workspaces, each of which has the token assigned to its own first: no step
    is paid for in two of them (R9), whoever has it meanwhile is refused nothing else (R18).
    """
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    teams, values, store = [f"team-{n}" for n in range(4)], rising(seed), store_factory()

    def write(own: Any, team: str, value: str) -> None:
        with ServerWorkspaceContext(team):  # of this thread alone
            own.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"], reassign=True)
            create_version(own, tags=token_tags(**{VALUE: value}))

    def write_in_race(own: Any, n: int) -> None:
        try:
            write(own, teams[n % 4], values[n])
        except MlflowException as error:
            if "belongs to another workspace" not in str(error):  # another was faster
                raise

    for team in teams:
        write(store, team, "0.1")
    race(write_in_race, writers=16)
    with store.engine.connect() as connection:
        paid = [
            (row["workspace"], Decimal(row["baseline_value"]), Decimal(row["value"]))
            for row in rows(connection, "hokusai_decisions")
            if row["outcome"] == "achieved"
        ]
    assert paid
    for one, other in combinations(paid, 2):
        assert one[2] <= other[1] or other[2] <= one[1], (one, other)
    assert faults(store) == []


def test_amendments_race(store, race):
    """Versions of the same series that are amended all at once are decided one after the other."""
    values = rising(1)
    create_version(store, "first", token_tags(**{VALUE: "0.1"}))
    for n in range(WRITERS):
        create_version(store, f"model-{n}", token_tags(**{VALUE: "0.1"}))
    race(lambda own, n: set_tag(own, f"model-{n}", 1, VALUE, values[n]))
    assert events(store)[-1]["data"]["value"] == max(values)
    assert_sound(store)


def test_moves_race_crosswise(store, race):
    """Versions that move between two series in both directions at once do not block each other."""
    for n in range(WRITERS):
        tags = token_tags(**{TOKEN: f"TOK-{n % 2}", VALUE: rising(2)[n]})
        create_version(store, f"model-{n}", tags)
    movable = [n for n in range(WRITERS) if outcome(store, f"model-{n}") == "regressed"]
    assert len(movable) > 8
    race(
        lambda own, n: set_tag(own, f"model-{movable[n]}", 1, TOKEN, f"TOK-{(movable[n] + 1) % 2}"),
        writers=len(movable),
    )
    assert_sound(store)


def test_the_head_moves_only_from_where_it_was_seen(store):
    """A writer that saw an older head cannot move it, whoever else could."""
    create_version(store, tags=token_tags(**{VALUE: "0.1"}))
    create_version(store, tags=token_tags(**{VALUE: "0.2"}))
    key = SeriesId("default", "IMG-001", "accuracy")
    by_value = {row["value"]: row["decision_id"] for row in decided_rows(store)}
    third = "0.3", "third"
    with store.engine.connect() as connection:
        assert not series_heads.move_head(connection, key, by_value["0.1"], *third, earned=True)
        assert not series_heads.begin_series(connection, key, "maximize", *third)
        assert series_heads.move_head(connection, key, by_value["0.2"], *third, earned=True)
        connection.rollback()
    assert_sound(store)


REGISTRATION = {"name": "model", "tags": token_tags(**{VALUE: "0.6"}, contributor="alice")}
LAST_TAG = {"name": "pending", "version": 1, "tags": {VALUE: "0.6"}}
AMENDMENT = {"name": "other", "version": 1, "tags": {VALUE: "0.6"}}


@pytest.mark.parametrize(
    "order", [REGISTRATION, LAST_TAG, AMENDMENT], ids=["registration", "last tag", "amendment"]
)
def test_a_writer_that_is_killed(database_uri, store, order):
    """Killed before any statement or before the commit, a DeltaOne leaves nothing at all behind:
    no version without its decision, no decision without its event. Alive it leaves everything.
    """
    create_version(store, tags=token_tags(**{VALUE: "0.4"}))
    create_version(store, tags=token_tags(**{VALUE: "0.5"}))
    create_version(store, "other", token_tags(**{VALUE: "0.3"}))
    create_version(store, "pending", tags={})
    set_tag(store, "pending", 1, TOKEN, "IMG-001")
    set_tag(store, "pending", 1, METRIC, "accuracy")
    before = registry_rows(store.engine)
    with killable("support.killed_tasks:registry_writes", database_uri) as process:
        deaths = 0
        while not process.run(kill_at=deaths + 1, **order):
            deaths += 1
            assert registry_rows(store.engine) == before
    assert deaths >= 10
    assert outcome(store, order["name"]) == "achieved"
    assert [event["data"]["value"] for event in events(store)] == ["0.5", "0.6"]
    assert_sound(store)
