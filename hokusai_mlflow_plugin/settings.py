"""Settings of the server: environment variables ``HOKUSAI_*``, parsed once.

Source: design section 3.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import BUILT_IN, Catalogue
from hokusai_mlflow_plugin.metrics_file import read_metrics_file

PREFIX = "HOKUSAI_"
TEST_PREFIX = "HOKUSAI_TEST_"


class Policy(str, Enum):
    """What happens to a write that breaks the tag rules (R5)."""

    STAGED = "staged"
    STRICT = "strict"


@dataclass(frozen=True)
class Settings:
    """All settings, checked."""

    policy: Policy = Policy.STAGED
    auto_migrate: bool = True
    require_run_evidence: bool = False
    """Whether a value needs a run of this server that logged the same."""
    catalogue: Catalogue = field(default_factory=lambda: BUILT_IN)
    """Built-in metrics and those of ``HOKUSAI_METRICS_FILE``, by name."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Parse every ``HOKUSAI_*`` variable.

    Args:
        environ: The environment; this process's own by default.

    Raises:
        SettingsError: A variable is unknown or has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    names = [n for n in environ if n.startswith(PREFIX) and not n.startswith(TEST_PREFIX)]
    if unknown := sorted(set(names) - set(_PARSERS)):
        raise SettingsError(
            f"Unknown setting {', '.join(unknown)}. Known are {', '.join(sorted(_PARSERS))}."
        )
    values = {}
    for name in names:
        field_name, parse = _PARSERS[name]
        values[field_name] = parse(name, environ[name])
    return Settings(**values)


def _policy(name: str, text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        allowed = ", ".join(policy.value for policy in Policy)
        raise SettingsError(f"{name} is {text!r}; use one of {allowed}.") from None


def _flag(name: str, text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    try:
        return values[text.lower()]
    except KeyError:
        raise SettingsError(f"{name} is {text!r}; use true or false.") from None


def _catalogue(name: str, text: str) -> Catalogue:
    return {**BUILT_IN, **read_metrics_file(name, Path(text))}


_PARSERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "HOKUSAI_POLICY": ("policy", _policy),
    "HOKUSAI_AUTO_MIGRATE": ("auto_migrate", _flag),
    "HOKUSAI_REQUIRE_RUN_EVIDENCE": ("require_run_evidence", _flag),
    "HOKUSAI_METRICS_FILE": ("catalogue", _catalogue),
}
