"""Registering many models at once.

Source: specification section "Bulk Operations".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hokusai.arguments import iterable, mapping
from hokusai.entities import TokenizedModel
from hokusai.errors import RequestRefused

_SHORT_NAMES = {"uri": "model_uri", "metric": "benchmark_metric", "value": "benchmark_value"}
_REQUIRED = ("model_uri", "name", "token_id", "benchmark_metric", "benchmark_value")


def register_each(
    register: Callable[..., TokenizedModel],
    items: object,
    *,
    progress: bool,
) -> list[TokenizedModel | Exception]:
    """One result per item, in order: the registered model or the error.

    Raises:
        RequestRefused: The items are no list.
    """
    each = iterable("items", items)
    from tqdm.auto import tqdm  # noqa: PLC0415  # of no use to whoever registers one model

    results: list[TokenizedModel | Exception] = []
    for item in tqdm(each, desc="Registering models", unit="model", disable=not progress):
        try:
            results.append(register(**_parameters(item)))
        except Exception as error:  # the others have nothing to do with this one's fault
            results.append(error)
    return results


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
