"""DeltaOne: whether a model improved by at least one percentage point.

Both functions read what the registry decided when the version was written. Asking changes nothing,
however often. Source: specification section "Integration with DeltaOne", R9 and R10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hokusai.arguments import text, version_number
from hokusai.core import ModelRegistry
from hokusai.errors import RequestRefused

__all__ = ["Comparison", "Decision", "detect_delta_one", "explain_delta_one"]


def __dir__() -> list[str]:
    return __all__


@dataclass(frozen=True)
class Comparison:
    """The version that a decision was measured against, and its value."""

    name: str
    version: str
    value: str


@dataclass(frozen=True)
class Decision:
    """What the registry concluded about a tokenised version, and why."""

    name: str
    version: str
    outcome: str
    """``baseline``, ``achieved``, ``below_threshold``, ``regressed``, ``direction_unknown``,
    ``copy`` or ``revoked``."""
    direction: str | None
    """``maximize`` or ``minimize``; None where nobody said."""
    value: str
    baseline: Comparison | None
    improvement_pp: str | None
    """In percentage points, an exact decimal; None where nothing was compared."""
    reason: str
    """A sentence."""
    evidence: str
    """``run_backed``, ``mismatch``, ``reused`` or ``claimed``."""
    decided_timestamp: int
    """Epoch milliseconds."""
    threshold_pp: str | None = None
    """What a DeltaOne needed, in percentage points; None for a decision of an earlier release."""
    actor: str | None = None
    """Whose request it came from; None where the server has no users."""
    unit: str | None = None
    """The metric's unit, where the catalogue has it."""
    logged_value: str | None = None
    """What was logged for the metric, where something was and you may read it."""

    @property
    def achieved(self) -> bool:
        """Whether it is a DeltaOne."""
        return self.outcome == "achieved"

    def __str__(self) -> str:
        return f"{self.name} version {self.version}: {self.outcome}. {self.reason}"


def detect_delta_one(name: str, registry: ModelRegistry | None = None) -> bool:
    """Whether the latest tokenised version of a model achieved DeltaOne.

    Args:
        name: Name of the registered model.
        registry: The registry; by default that of MLflow's own configuration.

    Raises:
        MlflowException: ``RESOURCE_DOES_NOT_EXIST``; there is no such model.
    """
    return bool(_detect(name, None, registry)["achieved"])


def explain_delta_one(
    name: str, version: str | int | None = None, registry: ModelRegistry | None = None
) -> Decision | None:
    """The decision on a version of a model, by default its latest tokenised one.

    Args:
        name: Name of the registered model.
        version: Number of a tokenised version.
        registry: The registry; by default that of MLflow's own configuration.

    Returns:
        The decision; None where the model has no tokenised version, or where the version is older
        than the plugin.

    Raises:
        MlflowException: There is no such model, or the version is not tokenised.
    """
    found = _detect(name, version, registry)
    return None if found["decision"] is None else _decision(found)


def _detect(
    name: str, version: str | int | None, registry: ModelRegistry | None
) -> Mapping[str, Any]:
    parameters: dict[str, Any] = {"name": text("name", name)}
    if version is not None:
        parameters["version"] = int(version_number(version))
    asked = ModelRegistry() if registry is None else registry
    if not isinstance(asked, ModelRegistry):
        raise RequestRefused(
            f"registry is {asked!r}. Give a ModelRegistry, e.g. ModelRegistry('http://127.0.0.1:5000')."
        )
    return asked.ask("deltaone/detect", **parameters)


def _decision(found: Mapping[str, Any]) -> Decision:
    baseline = found["decision"]["baseline"]
    # Only what this release knows: a newer server may say more.
    known = {field.name for field in fields(Decision)}
    told = {key: value for key, value in found["decision"].items() if key in known}
    told["baseline"] = None if baseline is None else Comparison(**baseline)
    return Decision(name=found["name"], version=found["version"], **told)
