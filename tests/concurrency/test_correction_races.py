"""Corrections, reviews and settlements that race each other, writes and the dispatcher.

Source: R19 and R20.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from support.receiver import SECRET, receiving
from support.registry import VALUE, create_version, token_tags
from support.rewards import (
    approve,
    assert_sound,
    events,
    rebase,
    reject,
    revoke,
    settle,
    states,
)

from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.domain.errors import CorrectionRefused
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

ROUNDS = 3


def at_once(*changes: Callable[[], Any]) -> list[Any]:
    """Make changes at the same moment; what each gave, or the refusal."""
    barrier = Barrier(len(changes))

    def run(change: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return change()
        except CorrectionRefused as refusal:
            return refusal

    with ThreadPoolExecutor(len(changes)) as pool:
        return list(pool.map(run, changes))


def register(store: Any, value: str, name: str = "model") -> None:
    create_version(store, name, token_tags(**{VALUE: value}))


def refusals(results: list[Any]) -> int:
    return sum(isinstance(each, CorrectionRefused) for each in results)


def test_a_revocation_and_a_write_over_it(store: Any) -> None:
    """Either the write is measured against what the revocation left, or it stands and is revoked
    first."""
    register(store, "0.1")
    for round_ in range(ROUNDS):
        register(store, f"0.{2 * round_ + 3}")
        latest = events(store)[-1]["id"]
        at_once(
            lambda latest=latest: revoke(store, latest),
            lambda round_=round_: register(store, f"0.{2 * round_ + 4}", "other"),
        )
        assert_sound(store)


def test_two_revocations(store: Any) -> None:
    """One of two takes the DeltaOne back."""
    register(store, "0.1")
    for value in ("0.2", "0.3", "0.4"):
        register(store, value)
        latest = events(store)[-1]["id"]
        results = at_once(*[lambda latest=latest: revoke(store, latest)] * 2)
        assert refusals(results) == 1
        assert_sound(store)


def test_two_reviewers(store_factory: Any) -> None:
    """One of two reviewers decides; the event is delivered only if it was approved."""
    store = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    register(store, "0.1")
    for value in ("0.2", "0.3", "0.4"):
        register(store, value)
        waiting = store.ask(list_events, state="in_review")["reward_events"][0]["id"]
        results = at_once(
            lambda waiting=waiting: approve(store, waiting, "ada"),
            lambda waiting=waiting: reject(store, waiting, "no", "grace"),
            lambda waiting=waiting: approve(store, waiting, "joan"),
        )
        assert refusals(results) == 2
        assert_sound(store)


def test_two_settlements(store: Any) -> None:
    """Of two references one is kept; the same one twice is no conflict."""
    register(store, "0.1")
    for value in ("0.2", "0.3", "0.4"):
        register(store, value)
        latest = events(store)[-1]["id"]
        results = at_once(
            lambda latest=latest: settle(store, latest, "0xa"),
            lambda latest=latest: settle(store, latest, "0xb"),
            lambda latest=latest: settle(store, latest, "0xa"),
        )
        assert 1 <= refusals(results) <= 2
        assert_sound(store)
    assert states(store) == ["settled"] * 3


def test_revoked_settled_and_delivered_at_once(store: Any) -> None:
    """A revocation follows whatever was sent, and what was settled meanwhile is told as revoked."""
    register(store, "0.1")
    with receiving() as receiver:
        session = webhook_session(receiver.url, allow_private=True)
        target = Receiver(receiver.url, [SECRET])
        dispatcher = Dispatcher(store.engine, target, RetryPolicy(base_s=3600), session)
        for value in ("0.2", "0.3", "0.4"):
            register(store, value)
            latest = events(store)[-1]["id"]
            results = at_once(
                lambda latest=latest: revoke(store, latest),
                lambda latest=latest: settle(store, latest),
                dispatcher.deliver_due,
            )
            assert refusals(results) == 0
            dispatcher.deliver_due()
            sent, revocation = list(receiver.ids), results[0]["id"]
            assert revocation in sent
            assert latest not in sent or sent.index(latest) < sent.index(revocation)
            assert_sound(store)
    assert set(states(store)) == {"revoked", "delivered"}


@pytest.mark.parametrize("better", ["0.8", "0.9999"])
def test_a_rebase_and_a_write(store: Any, better: str) -> None:
    """A series that begins anew while a version is registered ends with one head."""
    register(store, "0.999", "typo")
    register(store, "0.5")
    store.delete_registered_model("typo")
    at_once(lambda: rebase(store, "IMG-001", "accuracy"), lambda: register(store, better, "other"))
    assert_sound(store)
