"""What payees earned in all is kept beside the ledger, and always the sum of its events."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from support.damage import run_sql
from support.registry import TOKEN, VALUE, create_version, token_tags
from support.rewards import assert_sound, faults
from support.statements import statements

from hokusai_mlflow_plugin.services.queries.tokens import get_token

ADA, BOB = "0x" + "a1" * 20, "0x" + "b2" * 20
SHARES = f'[{{"address": "{ADA}", "weight": 3333}}, {{"address": "{BOB}", "weight": 6667}}]'


def earned(store: Any, token_id: str = "IMG-001") -> dict[str, list[tuple[str, int, str]]]:
    """What each payee earned: metric, count, points."""
    people = store.ask(get_token, token_id)["token"]["contributors"]
    return {
        person["contributor_address"]: [
            (each["benchmark_metric"], each["deltaone_count"], each["improvement_pp"])
            for each in person["improvements"]
        ]
        for person in people
    }


def register(store: Any, value: str, **tags: str) -> None:
    create_version(store, "model", token_tags(**{VALUE: value, **tags}))


def test_shares_are_summed(store: Any) -> None:
    """Each payee's shares of each improvement, exactly, by metric."""
    register(store, "0.5")
    register(store, "0.6", contributors=SHARES)
    register(store, "0.75", contributor_address=ADA)
    assert earned(store) == {ADA: [("accuracy", 2, "18.333")], BOB: [("accuracy", 1, "6.667")]}
    assert_sound(store)


def test_cost_is_flat(store: Any) -> None:
    """Asking costs as many statements after twenty rewards as after one."""
    register(store, "0.1")
    register(store, "0.2", contributor_address=ADA)
    with statements(store.engine) as few:
        earned(store)
    for step in range(3, 23):
        register(store, f"{step / 25:.2f}", contributor_address=ADA)
    with statements(store.engine) as many:
        earned(store)
    assert len(many) == len(few)


def test_events_of_the_release_before(store: Any) -> None:
    """Events that were appended without their totals count when asked, and with the next one."""
    register(store, "0.1")
    register(store, "0.2", contributor_address=ADA)
    register(store, "0.3", contributor_address=ADA)
    run_sql(store, "DELETE FROM hokusai_payee_totals")
    run_sql(store, "UPDATE hokusai_reward_ledgers SET totalled_sequence = NULL")
    assert earned(store)[ADA] == [("accuracy", 2, "20")]
    assert_sound(store)
    register(store, "0.4", contributor_address=BOB)
    assert earned(store) == {ADA: [("accuracy", 2, "20")], BOB: [("accuracy", 1, "10")]}
    with store.engine.connect() as connection:
        totalled = connection.scalar(text("SELECT totalled_sequence FROM hokusai_reward_ledgers"))
    assert totalled == 3
    assert_sound(store)


@pytest.mark.parametrize(
    ("statement", "codes"),
    [
        ("DELETE FROM hokusai_payee_totals", {"payee_totals_differ"}),
        (
            "UPDATE hokusai_payee_totals SET improvement_pp = '99'",
            {"payee_totals_differ", "payee_totals_edited"},
        ),
        ("UPDATE hokusai_reward_ledgers SET totalled_sequence = 0", {"payee_totals_differ"}),
        ("UPDATE hokusai_reward_ledgers SET totalled_sequence = 99", {"payee_totals_differ"}),
    ],
)
def test_edits_are_found(store: Any, statement: str, codes: set[str]) -> None:
    """A total that is not the sum of the events is named, and so is one that was edited."""
    register(store, "0.1")
    register(store, "0.2", contributor_address=ADA)
    run_sql(store, statement)
    assert {fault.code for fault in faults(store)} == codes


def test_tokens_apart(store: Any) -> None:
    """The same payee under another token, and another workspace's token, is counted apart."""
    for token in ("IMG-001", "IMG-002"):
        create_version(store, token, token_tags(**{VALUE: "0.1", TOKEN: token}))
        tags = token_tags(**{VALUE: "0.2", TOKEN: token}, contributor_address=ADA)
        create_version(store, token, tags)
    assert earned(store) == {ADA: [("accuracy", 1, "10")]}
    assert earned(store, "IMG-002") == {ADA: [("accuracy", 1, "10")]}
