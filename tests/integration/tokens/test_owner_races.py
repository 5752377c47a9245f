"""R18 where writers race: a token belongs to one workspace, whoever was meanwhile at it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import ServerWorkspaceContext, WorkspaceContext
from sqlalchemy import text
from support.index import assert_index_is_truth, indexed_rows
from support.registry import TOKEN, VALUE, create_model, create_version, set_model_tag, token_tags
from support.rewards import assert_sound

ROUNDS = 6
TEAMS = ("team-a", "team-b")


@pytest.fixture
def teams(store_factory, monkeypatch):
    """A store with workspaces, in each of which there is a model."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = store_factory()
    for team in TEAMS:
        with WorkspaceContext(team):
            create_model(store)
            create_model(store, "other")
    return store


def at_once(*calls: Callable[[], Any]) -> list[str | None]:
    """Run calls at the same moment; what each was refused with, or None."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> str | None:
        barrier.wait()
        try:
            call()
        except MlflowException as error:
            return f"{error.error_code}: {error.message}"
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def in_team(team: str, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with ServerWorkspaceContext(team):  # of this thread alone; the other is the process's
            return call()

    return run


def use(store: Any, token_id: str, value: str = "0.5") -> Callable[[], Any]:
    return lambda: create_version(store, tags=token_tags(**{TOKEN: token_id, VALUE: value}))


def declare(store: Any, token_id: str) -> Callable[[], Any]:
    return lambda: store.answer("tokens/declare", token_id=token_id, metrics=["accuracy"])


def give_to_model(store: Any, token_id: str) -> Callable[[], Any]:
    return lambda: set_model_tag(store, "other", TOKEN, token_id)


RACES = {
    "two first uses": (use, use),
    "a declaration against a first use": (declare, use),
    "two declarations": (declare, declare),
    "a model's token against a version's": (give_to_model, use),
}


@pytest.mark.parametrize("race", RACES)
def test_one_workspace_wins(teams, race):
    """Exactly one of two workspaces gets a token that nobody had; the other is refused."""
    first, second = RACES[race]
    for number in range(ROUNDS):
        token_id = f"RACE-{number}"
        refusals = at_once(
            in_team(TEAMS[number % 2], first(teams, token_id)),
            in_team(TEAMS[1 - number % 2], second(teams, token_id)),
        )
        (refusal,) = [each for each in refusals if each is not None]
        assert refusal.startswith("INVALID_PARAMETER_VALUE: ")
        assert "belongs to another workspace" in refusal
    with teams.engine.connect() as connection:
        owners = dict(
            connection.execute(text("SELECT token_id, workspace FROM hokusai_tokens")).all()
        )
        used = {(row[3], row[0]) for row in indexed_rows(connection)}
    assert len(owners) == ROUNDS
    assert used <= set(owners.items())
    assert_index_is_truth(teams)
    assert_sound(teams)


def test_many_first_uses(teams):
    """Of many writers in two workspaces all of one workspace succeed, and none of the other."""
    calls = [
        in_team(team, use(teams, "MANY-001", f"0.{number}"))
        for number in range(1, 5)
        for team in TEAMS
    ]
    refusals = at_once(*calls)
    refused = {team: refusals[place::2] for place, team in enumerate(TEAMS)}
    winners = [team for team in TEAMS if not any(refused[team])]
    assert len(winners) == 1
    (loser,) = set(TEAMS) - set(winners)
    assert all("belongs to another workspace" in (each or "") for each in refused[loser])
    assert_sound(teams)


def test_publishers_are_changed_at_once(teams):
    """Declarations and grants that race lose nothing of each other."""
    with WorkspaceContext("team-a"):
        teams.answer("tokens/declare", token_id="IMG-001", metrics=["accuracy"])
    grants = [
        in_team(
            "team-a",
            lambda name=f"user {number}": teams.answer(
                "tokens/grant", token_id="IMG-001", publishers=[name, "everyone"]
            ),
        )
        for number in range(6)
    ]
    assert at_once(*grants) == [None] * 6
    with WorkspaceContext("team-a"):
        found = teams.answer("tokens/publishers", token_id="IMG-001")["declaration"]
    assert found["publishers"] == ["everyone", *(f"user {number}" for number in range(6))]
    assert_sound(teams)
