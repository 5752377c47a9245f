"""Corrections, reviews, settlements and declarations whose process is killed (R18 to R20)."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from support.killed import killable
from support.registry import TOKEN, VALUE, create_version, token_tags
from support.rewards import assert_sound, events, states

from hokusai_mlflow_plugin.db.schema.tables import metadata
from hokusai_mlflow_plugin.web.api.routes import COMMANDS

SHARES = [{"address": "0x" + 40 * "a", "weight": 10_000}]


def content(store: Any) -> str:
    """Every row of the project's tables."""
    with store.engine.connect() as connection:
        return json.dumps(
            {
                table.name: sorted(
                    (list(row) for row in connection.execute(select(table))), key=repr
                )
                for table in metadata.sorted_tables
            }
        )


def orders(store: Any) -> list[tuple[str, dict[str, Any]]]:
    """What is to be done, in an order in which each is allowed: every command of a route."""
    first, second, third = (event["id"] for event in events(store))
    why = {"reason": "a typo"}
    token = {"token_id": "IMG-001"}
    return [
        ("reward-events/reject", {"id": third, **why}),
        ("reward-events/approve", {"id": second}),
        ("reward-events/revoke", {"id": second, **why}),
        ("reward-events/approve", {"id": first}),
        ("reward-events/name-payees", {"id": first, "contributors": SHARES, **why}),
        ("reward-events/settle", {"id": first, "status": "paid", "reference": "0x1"}),
        ("series/rebase", {"token_id": "TYPO-1", "benchmark_metric": "accuracy", **why}),
        ("tokens/declare", {**token, "metrics": ["accuracy"], "publishers": ["ada", "bob"]}),
        ("tokens/grant", {**token, "publishers": ["grace"]}),
        ("tokens/revoke", {**token, "publishers": ["ada"]}),
        ("tokens/declare", {**token, "metrics": ["f1_score"], "publishers": ["joan"]}),
        ("tokens/close", token),
    ]


def test_commands_that_are_killed(database_uri: str, store_factory: Any) -> None:
    """Killed before any statement that changes something, and before the commit: nothing of it is
    there, no lock stays, and the same again does all of it, once.
    """
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    for value in ("0.5", "0.6", "0.7", "0.8"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    for name, value in (("typo", "0.999"), ("right", "0.5")):
        create_version(store, name, token_tags(**{VALUE: value, TOKEN: "TYPO-1"}))
    store.delete_registered_model("typo")
    todo = orders(store)
    assert {path for path, _parameters in todo} == set(COMMANDS)
    with killable("support.killed_tasks:commanding", database_uri) as process:
        for path, parameters in todo:
            before, deaths = content(store), 0
            while not process.run(kill_at=deaths + 1, path=path, parameters=parameters):
                deaths += 1
                assert content(store) == before, f"{path}, before change {deaths}"
            assert deaths >= 3, path
            assert content(store) != before
    assert states(store) == ["settled", "revoked", "revoked", *3 * ["recorded"], "recorded"]
    assert_sound(store)
