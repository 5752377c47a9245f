"""What the text of a setting has to be, and what it stands for.

Each parser takes the setting's name and its text, and raises ``SettingsError`` with the remedy.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.errors import InvalidKey, SettingsError
from hokusai_mlflow_plugin.domain.metric_catalogue import Catalogue
from hokusai_mlflow_plugin.domain.signed_notes import (
    PRIVATE,
    PublicKey,
    SigningKey,
    read_public_key,
    read_signing_key,
)
from hokusai_mlflow_plugin.metrics_file import read_metrics_file

_MAX_SECRETS = 2
_MIN_SECRET_BYTES = 24
_YEAR_S = 366 * 24 * 3600
T = TypeVar("T")


def choice(
    values: Mapping[str, T], advice: str, *, any_case: bool = False
) -> Callable[[str, str], T]:
    """A parser that takes one of some words; ``advice`` names them in its refusal."""

    def parse(name: str, text: str) -> T:
        word = text.lower() if any_case else text
        if word not in values:
            raise SettingsError(f"{name} is {text!r}; use {advice}.")
        return values[word]

    return parse


flag = choice({"true": True, "1": True, "false": False, "0": False}, "true or false", any_case=True)
switch = choice({"on": True, "off": False}, "on or off", any_case=True)


def catalogue(name: str, text: str) -> Catalogue:
    """The built-in metrics and those of a TOML file."""
    built_in = {metric.name: metric for metric in BUILT_IN.metrics}
    return Catalogue({**built_in, **read_metrics_file(name, Path(text))}.values())


def url(name: str, text: str) -> str:
    """An http or https URL."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{name} is no http(s) URL.")
    return text


def secrets(name: str, text: str) -> tuple[str, ...]:
    """One signing secret, or two, apart by blanks or commas."""
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


def signing_keys(name: str, text: str) -> tuple[SigningKey, ...]:
    """One key that signs checkpoints, or two, apart by blanks or commas, or a file with them."""
    if not text.startswith(PRIVATE):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{name} is neither a signing key, which begins with {PRIVATE}, nor a file that "
                f"can be read ({getattr(error, 'strerror', None) or 'not UTF-8'})."
            ) from None
    texts = text.replace(",", " ").split()
    if not 1 <= len(texts) <= _MAX_SECRETS:
        raise SettingsError(f"{name} holds one signing key, or two during a rotation.")
    return _keys(name, read_signing_key, texts)


def public_keys(name: str, text: str) -> tuple[PublicKey, ...]:
    """Public keys of checkpoints, apart by blanks or commas."""
    return _keys(name, read_public_key, text.replace(",", " ").split())


def _keys(name: str, read: Callable[[str], T], texts: Sequence[str]) -> tuple[T, ...]:
    try:
        return tuple(read(text) for text in texts)
    except InvalidKey as error:
        raise SettingsError(f"{name}: {error}") from None


def ca_file(name: str, text: str) -> str:
    """A file with certificates of authorities."""
    try:
        found = ssl.create_default_context(cafile=text).cert_store_stats()["x509_ca"]
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise SettingsError(f"{name}: cannot read {text}: {error}") from None
    if not found:
        raise SettingsError(f"{name}: {text} holds no certificate of an authority, in PEM.")
    return text


def proxy(name: str, text: str) -> str:
    """The URL of an HTTP proxy."""
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


def user_names(name: str, text: str) -> frozenset[str]:
    """Names of users, apart by commas."""
    names = frozenset(each.strip() for each in text.split(","))
    if "" in names:
        raise SettingsError(f"{name} is {text!r}; use names of users, apart by commas.")
    return names


def positive(name: str, text: str) -> float:
    """A number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= _YEAR_S:
        raise SettingsError(
            f"{name} is {text!r}; use a number of seconds greater than 0, at most a year's."
        )
    return number


def count(name: str, text: str) -> int:
    """A whole number of 1 or more."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise SettingsError(f"{name} is {text!r}; use a whole number of 1 or more.")
    return int(text)
