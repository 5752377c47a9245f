"""Settings of the server: environment variables ``HOKUSAI_*``, parsed once."""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.domain.errors import SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import BUILT_IN, Catalogue
from hokusai_mlflow_plugin.metrics_file import read_metrics_file

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
_MAX_SECRETS = 2
_MIN_SECRET_BYTES = 24
_YEAR_S = 366 * 24 * 3600


class Policy(str, Enum):
    """What happens to a write that breaks the tag rules (R5)."""

    STAGED = "staged"
    STRICT = "strict"
    AUDIT = "audit"


class MetricsPolicy(str, Enum):
    """Which metrics a version may be measured by (R8)."""

    OPEN = "open"
    CATALOGUE = "catalogue"


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
    rewards: bool = True
    """Whether improvements earn anything; else they only raise heads (R13)."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Parse every ``HOKUSAI_*`` variable.

    Args:
        environ: The environment; this process's own by default.

    Raises:
        SettingsError: A variable is unknown or has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
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
    if name.startswith(TEST_PREFIX) or _OF_A_SERVICE.fullmatch(name):
        return False
    return name.startswith(PREFIX)


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
    built_in = {metric.name: metric for metric in BUILT_IN.metrics}
    return Catalogue({**built_in, **read_metrics_file(name, Path(text))}.values())


def _metrics_policy(name: str, text: str) -> MetricsPolicy:
    try:
        return MetricsPolicy(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}; use open or catalogue.") from None


def _switch(name: str, text: str) -> bool:
    values = {"on": True, "off": False}
    try:
        return values[text.lower()]
    except KeyError:
        raise SettingsError(f"{name} is {text!r}; use on or off.") from None


def _url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{name} is no http(s) URL.")
    return text


def _require_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise SettingsError(
            "HOKUSAI_REWARD_WEBHOOK_URL is not https. Use https, or set "
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP=true where the network is trusted."
        )


def _secrets(name: str, text: str) -> tuple[str, ...]:
    secrets = tuple(text.replace(",", " ").split())
    if not 1 <= len(secrets) <= _MAX_SECRETS:
        raise SettingsError(f"{name} holds one signing secret, or two during a rotation.")
    for secret in secrets:
        if len(_key(secret)) < _MIN_SECRET_BYTES:
            raise SettingsError(
                f"{name}: a secret is 'whsec_' and the standard base64 (with + and /, padded with "
                f"=; not the URL-safe one with - and _) of at least {_MIN_SECRET_BYTES} random "
                "bytes, e.g. from: echo whsec_$(openssl rand -base64 32)"
            )
    return secrets


def _key(secret: str) -> bytes:
    """The bytes that a secret stands for; none where any two readers could differ over them.

    Lenient decoders pass over what is not in their alphabet: the URL-safe one would sign with
    another key than the receiver's.
    """
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        return b""
    canonical = secret.startswith("whsec_") and base64.b64encode(key).decode() == text
    return key if canonical else b""


def _ca_file(name: str, text: str) -> str:
    try:
        found = ssl.create_default_context(cafile=text).cert_store_stats()["x509_ca"]
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise SettingsError(f"{name}: cannot read {text}: {error}") from None
    if not found:
        raise SettingsError(f"{name}: {text} holds no certificate of an authority, in PEM.")
    return text


def _proxy(name: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingsError(
            f"{name} is no proxy's URL: use http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT."
        )
    return text


def _positive(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= _YEAR_S:
        raise SettingsError(
            f"{name} is {text!r}; use a number of seconds greater than 0, at most a year's."
        )
    return number


def _count(name: str, text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise SettingsError(f"{name} is {text!r}; use a whole number of 1 or more.")
    return int(text)


_PARSERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "HOKUSAI_POLICY": ("policy", _policy),
    "HOKUSAI_AUTO_MIGRATE": ("auto_migrate", _flag),
    "HOKUSAI_REQUIRE_RUN_EVIDENCE": ("require_run_evidence", _flag),
    "HOKUSAI_REWARD_WEBHOOK_URL": ("webhook_url", _url),
    "HOKUSAI_REWARD_WEBHOOK_SECRETS": ("webhook_secrets", _secrets),
    "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": ("webhook_allow_http", _flag),
    "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": ("webhook_allow_private", _flag),
    "HOKUSAI_REWARD_WEBHOOK_CA_FILE": ("webhook_ca_file", _ca_file),
    "HOKUSAI_REWARD_WEBHOOK_PROXY": ("webhook_proxy", _proxy),
    "HOKUSAI_REWARD_TIMEOUT_S": ("webhook_timeout_s", _positive),
    "HOKUSAI_REWARD_MAX_ATTEMPTS": ("max_attempts", _count),
    "HOKUSAI_REWARD_RETRY_BASE_S": ("base_s", _positive),
    "HOKUSAI_REWARD_RETRY_CAP_S": ("cap_s", _positive),
    "HOKUSAI_METRICS_FILE": ("catalogue", _catalogue),
    "HOKUSAI_METRICS_POLICY": ("metrics_policy", _metrics_policy),
    "HOKUSAI_REWARDS": ("rewards", _switch),
}
