"""Registering many models at once.

Source: specification section "Bulk Operations".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeAlias

from hokusai.arguments import iterable, mapping
from hokusai.entities import TokenizedModel
from hokusai.errors import RequestRefused

_SHORT_NAMES = {"uri": "model_uri", "metric": "benchmark_metric", "value": "benchmark_value"}
_REQUIRED = ("model_uri", "name", "token_id", "benchmark_metric", "benchmark_value")


Result: TypeAlias = TokenizedModel | Exception


def register_each(
    register: Callable[..., TokenizedModel], items: object, *, progress: bool, in_flight: int
) -> list[Result]:
    """One result per item, in order: the registered model or the error.

    Args:
        register: Registers one item.
        items: The parameters of each.
        progress: Whether to show a progress bar.
        in_flight: How many may be registered at a time; those that share a name or a token are
            registered in their order.

    Raises:
        RequestRefused: The items are no list.
    """
    each = list(iterable("items", items))
    from tqdm.auto import tqdm  # noqa: PLC0415  # of no use to whoever registers one model

    results: dict[int, Result] = {}
    with (
        tqdm(total=len(each), desc="Registering models", unit="model", disable=not progress) as bar,
        ThreadPoolExecutor(in_flight, thread_name_prefix="hokusai-register") as pool,
    ):

        def run(positions: Sequence[int]) -> None:
            for position in positions:
                try:
                    results[position] = register(**_parameters(each[position]))
                except Exception as error:  # the others have nothing to do with this one's fault
                    results[position] = error
                bar.update()

        # One at a time needs no thread: warnings then name who called.
        if in_flight == 1:
            run(range(len(each)))
        else:
            # Each with a copy of the caller's context: MLflow's workspace is part of it.
            started = [pool.submit(copy_context().run, run, group) for group in _groups(each)]
            for future in started:
                future.result()
    return [results[position] for position in range(len(each))]


def _groups(items: Sequence[object]) -> list[list[int]]:
    """Positions of items that share a name or a token, directly or by others; in their order."""
    leaders = list(range(len(items)))

    def leader(position: int) -> int:
        while leaders[position] != position:
            leaders[position] = leaders[leaders[position]]
            position = leaders[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for position, item in enumerate(items):
        given = item if isinstance(item, Mapping) else {}
        for key in ("name", "token_id"):
            seen = first.setdefault((key, str(given.get(key)).casefold()), position)
            one, other = sorted((leader(seen), leader(position)))
            leaders[other] = one
    groups: dict[int, list[int]] = {}
    for position in range(len(items)):
        groups.setdefault(leader(position), []).append(position)
    return list(groups.values())


def _parameters(item: object) -> dict[str, Any]:
    """The parameters of one registration.

    Raises:
        RequestRefused: It is no dict; a parameter is missing, unknown, or given under both of its
            names.
    """
    parameters: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in mapping("The item", item).items():
        name = _SHORT_NAMES.get(key, key)
        if name in parameters:
            faults.append(f"{name} is given twice")
        elif name not in (*_REQUIRED, "tags"):
            faults.append(f"{key} is unknown")
        parameters[name] = value
    faults += [f"{name} is missing" for name in _REQUIRED if name not in parameters]
    if faults:
        raise RequestRefused(f"The item cannot be registered: {', '.join(faults)}.")
    return parameters
