"""Settings of the server: environment variables ``HOKUSAI_*``, parsed once.

Source: design section 3.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hokusai_mlflow_plugin.domain.errors import SettingsError

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


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Parse every ``HOKUSAI_*`` variable.

    Args:
        environ: The environment; this process's own by default.

    Raises:
        SettingsError: A variable is unknown or has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    names = [n for n in environ if n.startswith(PREFIX) and not n.startswith(TEST_PREFIX)]
    known = {"HOKUSAI_POLICY", "HOKUSAI_AUTO_MIGRATE"}
    if unknown := sorted(set(names) - known):
        raise SettingsError(
            f"Unknown setting {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
        )
    return Settings(
        policy=_policy(environ.get("HOKUSAI_POLICY", Policy.STAGED.value)),
        auto_migrate=_flag("HOKUSAI_AUTO_MIGRATE", environ.get("HOKUSAI_AUTO_MIGRATE", "true")),
    )


def _policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        allowed = ", ".join(policy.value for policy in Policy)
        raise SettingsError(f"HOKUSAI_POLICY is {text!r}; use one of {allowed}.") from None


def _flag(name: str, text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    try:
        return values[text.lower()]
    except KeyError:
        raise SettingsError(f"{name} is {text!r}; use true or false.") from None
