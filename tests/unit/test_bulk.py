"""Registering many models: several at a time, and each series in its order."""

from __future__ import annotations

import threading
from typing import Any

from hokusai.bulk import register_each

IN_FLIGHT = 4


def item(number: int, name: str, token_id: str) -> dict[str, Any]:
    return {
        "uri": f"models:/m-{number}",
        "name": name,
        "token_id": token_id,
        "metric": "accuracy",
        "value": "0.5",
    }


def test_several_are_registered_at_a_time() -> None:
    """Items that share neither name nor token wait for none of the others."""
    together = threading.Barrier(IN_FLIGHT, timeout=60)

    def register(**_parameters: Any) -> Any:
        return together.wait()

    items = [item(n, f"model-{n}", f"TOK-{n}") for n in range(2 * IN_FLIGHT)]
    results = register_each(register, items, progress=False, in_flight=IN_FLIGHT)
    assert sorted(str(result) for result in results) == sorted("0123" * 2)


def test_what_shares_a_name_or_a_token_keeps_its_order() -> None:
    """By the order versions are numbered and improvements measured; also over other items."""
    begun: list[str] = []

    def register(model_uri: str, name: str, **_parameters: Any) -> Any:
        begun.append(model_uri)
        if name == "broken":
            raise ValueError(name)
        return model_uri

    names = ["a", "b", "c", "A", "b", "broken", "c"]
    tokens = ["X-1", "X-2", "X-1", "X-3", "X-3", "X-4", "X-9"]
    items = [item(n, *pair) for n, pair in enumerate(zip(names, tokens, strict=True))]
    results = register_each(register, items, progress=False, in_flight=IN_FLIGHT)
    assert [str(result) for result in results] == [
        "broken" if name == "broken" else f"models:/m-{n}" for n, name in enumerate(names)
    ]
    connected = [uri for uri in begun if uri != "models:/m-5"]
    assert connected == [f"models:/m-{n}" for n in (0, 1, 2, 3, 4, 6)]
