"""What the routes change (R19, R20), as a server's store does it, and in the contract's shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from pydantic import TypeAdapter
from support.registry import VALUE, create_version, token_tags
from support.rewards import assert_sound, events, states

from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.reward_commands import COMMANDS
from hokusai_mlflow_plugin.web.api.answers.rewards import RewardEvents
from hokusai_mlflow_plugin.web.api.routes import ROUTES

ANSWERS = {route.path: route.answer for route in ROUTES}
PAYEE = {"address": "0x" + 40 * "a", "weight": 10_000}


def change(store: Any, path: str, **parameters: Any) -> dict[str, Any]:
    """Run a command as its route does; the answer keeps the contract."""
    answer = store.change(COMMANDS[path], **parameters)
    TypeAdapter(ANSWERS[path]).validate_json(json.dumps(answer))
    return answer


def register(store: Any, *values: str) -> list[str]:
    for value in values:
        create_version(store, tags=token_tags(**{VALUE: value}))
    return [event["id"] for event in events(store)]


def test_every_command(store_factory: Any) -> None:
    """Each of them, its answer, and the feed with events of every type."""
    reviewed = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    first, second = register(reviewed, "0.5", "0.6", "0.7")
    change(reviewed, "reward-events/approve", id=first)
    change(reviewed, "reward-events/reject", id=second, reason="no")
    change(
        reviewed, "reward-events/name-payees", id=first, contributors=[PAYEE], reason="forgotten"
    )
    done = change(reviewed, "reward-events/settle", id=first, status="paid", reference="0x1")
    assert done["settlement"]["state"] == "settled"
    change(reviewed, "reward-events/revoke", id=first, reason="a typo")
    reviewed.delete_model_version("model", "1")
    register(reviewed, "0.4")
    rebased = {"token_id": "IMG-001", "benchmark_metric": "accuracy", "reason": "a typo"}
    change(reviewed, "series/rebase", **rebased)
    feed = reviewed.ask(list_events)
    TypeAdapter(RewardEvents).validate_json(json.dumps(feed))
    assert len({event["type"] for event in feed["reward_events"]}) == 4
    assert states(reviewed)[:2] == ["revoked", "revoked"]
    assert_sound(reviewed)


REFUSED = {
    "reward-events/revoke": ({"id": "x", "reason": "y"}, "RESOURCE_DOES_NOT_EXIST"),
    "reward-events/approve": ({"id": "x"}, "RESOURCE_DOES_NOT_EXIST"),
    "reward-events/settle": (
        {"id": "x", "status": "paid", "reference": " "},
        "INVALID_PARAMETER_VALUE",
    ),
    "series/rebase": (
        {"token_id": "IMG-001", "benchmark_metric": "accuracy", "reason": "y"},
        "RESOURCE_CONFLICT",
    ),
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_refusal_leaves_nothing(store: Any, path: str) -> None:
    """A refused change has MLflow's error code, never a 5xx, and nothing of it stays."""
    register(store, "0.5", "0.6")
    parameters, code = REFUSED[path]
    with pytest.raises(MlflowException) as refusal:
        store.change(COMMANDS[path], **parameters)
    assert refusal.value.error_code == code
    assert states(store) == ["recorded"]
    assert_sound(store)
