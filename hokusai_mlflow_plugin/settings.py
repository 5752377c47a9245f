"""Settings of the server: environment variables ``HOKUSAI_*``, parsed once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.client_variables import CLIENT_VARIABLES
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey, SigningKey
from hokusai_mlflow_plugin.setting_values import (
    ca_file,
    catalogue,
    choice,
    count,
    flag,
    positive,
    proxy,
    public_keys,
    secrets,
    signing_keys,
    switch,
    url,
    user_names,
)

PREFIX = "HOKUSAI_"
TEST_PREFIX = "HOKUSAI_TEST_"

# Kubernetes sets these in every pod of a namespace that has a Service whose name is `hokusai`, or
# begins so: …_PORT=tcp://10.0.0.7:5000, …_MLFLOW_SERVICE_HOST and the like.
_OF_A_SERVICE = re.compile(
    PREFIX
    + r"([A-Z0-9_]+_)?"
    + r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?"
    + r"|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class Policy(str, Enum):
    """What happens to a write that breaks the tag rules (R5)."""

    STAGED = "staged"
    STRICT = "strict"
    AUDIT = "audit"


class MetricsPolicy(str, Enum):
    """Which metrics a version may be measured by (R8)."""

    OPEN = "open"
    CATALOGUE = "catalogue"


class RewardReview(str, Enum):
    """Whether an event waits for a reviewer before it is delivered (R20)."""

    NONE = "none"
    MANUAL = "manual"


class TokensPolicy(str, Enum):
    """Which tokens a version may carry (R18)."""

    OPEN = "open"
    DECLARED = "declared"


@dataclass(frozen=True)
class Settings:
    """All settings, checked."""

    policy: Policy = Policy.STAGED
    auto_migrate: bool = True
    require_run_evidence: bool = False
    """Whether a value needs a run of this server that logged the same."""
    webhook_url: str | None = None
    """Where ``rewards dispatch`` posts reward events."""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    """One signing secret, or two during a rotation."""
    webhook_allow_http: bool = False
    webhook_allow_private: bool = False
    """Whether the receiver may have a private address, such as one inside the cluster."""
    webhook_ca_file: str | None = None
    """Certificates of the authorities that the receiver's must be signed by, instead of the public
    ones."""
    webhook_proxy: str | None = field(default=None, repr=False)
    """The HTTP proxy through which the receiver is reached; it may hold a password."""
    webhook_timeout_s: float = 10.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    catalogue: Catalogue = field(default_factory=lambda: BUILT_IN)
    """Built-in metrics and those of ``HOKUSAI_METRICS_FILE``."""
    metrics_policy: MetricsPolicy = MetricsPolicy.OPEN
    checkpoint_keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    """What ``rewards checkpoint`` signs with: one key, or two during a rotation (R21)."""
    checkpoint_public_keys: tuple[PublicKey, ...] = ()
    """Of these one has to have signed the checkpoints that ``rewards verify`` looks at."""
    tokens: TokensPolicy = TokensPolicy.OPEN
    """Whether a token has to be declared before a version may carry it."""
    rewards: bool = True
    """Whether improvements earn anything; else they only raise heads (R13)."""
    event_actors: bool = False
    """Whether the event of a DeltaOne names the user whose request it came from."""
    reward_review: RewardReview = RewardReview.NONE
    settlers: frozenset[str] = frozenset()
    """Users who may settle events, besides administrators (R20)."""
    ui_link: bool = False
    """Whether the menu of MLflow's UI has an entry that leads to the pages."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Parse every ``HOKUSAI_*`` variable.

    Args:
        environ: The environment; this process's own by default.

    Raises:
        SettingsError: A variable is unknown or has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    # A misspelt setting would silently leave the default on, such as enforcement off or rewards on.
    names = [name for name in environ if _is_ours(name)]
    if unknown := sorted(set(names) - set(_PARSERS)):
        raise SettingsError(
            f"Unknown setting {', '.join(unknown)}. Known are {', '.join(sorted(_PARSERS))}."
        )
    values: dict[str, Any] = {}
    retry: dict[str, Any] = {}
    for name in names:
        field_name, parse = _PARSERS[name]
        target = retry if field_name in RetryPolicy.__dataclass_fields__ else values
        target[field_name] = parse(name, environ[name])
    settings = Settings(**values, retry=RetryPolicy(**retry))
    if settings.metrics_policy is MetricsPolicy.CATALOGUE:
        closed = Catalogue(settings.catalogue.metrics, closed=True)
        settings = replace(settings, catalogue=closed)
    if settings.webhook_url and not settings.webhook_allow_http:
        _require_https(settings.webhook_url)
    return settings


def _is_ours(name: str) -> bool:
    if name.startswith(TEST_PREFIX) or _OF_A_SERVICE.fullmatch(name) or name in CLIENT_VARIABLES:
        return False
    return name.startswith(PREFIX)


def _require_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise SettingsError(
            "HOKUSAI_REWARD_WEBHOOK_URL is not https. Use https, or set "
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP=true where the network is trusted."
        )


_policy = choice(
    {each.value: each for each in Policy}, "one of " + ", ".join(each.value for each in Policy)
)
_reward_review = choice({each.value: each for each in RewardReview}, "none or manual")
_metrics_policy = choice({each.value: each for each in MetricsPolicy}, "open or catalogue")

_tokens_policy = choice({each.value: each for each in TokensPolicy}, "open or declared")

_PARSERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "HOKUSAI_POLICY": ("policy", _policy),
    "HOKUSAI_AUTO_MIGRATE": ("auto_migrate", flag),
    "HOKUSAI_REQUIRE_RUN_EVIDENCE": ("require_run_evidence", flag),
    "HOKUSAI_REWARD_WEBHOOK_URL": ("webhook_url", url),
    "HOKUSAI_REWARD_WEBHOOK_SECRETS": ("webhook_secrets", secrets),
    "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": ("webhook_allow_http", flag),
    "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": ("webhook_allow_private", flag),
    "HOKUSAI_REWARD_WEBHOOK_CA_FILE": ("webhook_ca_file", ca_file),
    "HOKUSAI_REWARD_WEBHOOK_PROXY": ("webhook_proxy", proxy),
    "HOKUSAI_REWARD_TIMEOUT_S": ("webhook_timeout_s", positive),
    "HOKUSAI_REWARD_MAX_ATTEMPTS": ("max_attempts", count),
    "HOKUSAI_REWARD_RETRY_BASE_S": ("base_s", positive),
    "HOKUSAI_REWARD_RETRY_CAP_S": ("cap_s", positive),
    "HOKUSAI_CHECKPOINT_KEYS": ("checkpoint_keys", signing_keys),
    "HOKUSAI_CHECKPOINT_PUBLIC_KEYS": ("checkpoint_public_keys", public_keys),
    "HOKUSAI_METRICS_FILE": ("catalogue", catalogue),
    "HOKUSAI_METRICS_POLICY": ("metrics_policy", _metrics_policy),
    "HOKUSAI_REWARDS": ("rewards", switch),
    "HOKUSAI_REWARD_REVIEW": ("reward_review", _reward_review),
    "HOKUSAI_SETTLERS": ("settlers", user_names),
    "HOKUSAI_UI_LINK": ("ui_link", flag),
    "HOKUSAI_EVENT_ACTORS": ("event_actors", flag),
    "HOKUSAI_TOKENS": ("tokens", _tokens_policy),
}
