"""Settings of the client: how it registers models that were made elsewhere (R16)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum

from hokusai.errors import RequestRefused
from hokusai_mlflow_plugin.domain.client_variables import COPY, COPY_EXPERIMENT

DEFAULT_EXPERIMENT = "hokusai-registered"


class CopyMode(str, Enum):
    """Whether a model's files are copied to the registry's server."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class ReachSettings:
    """How models are registered that were made elsewhere."""

    copy: CopyMode = CopyMode.AUTO
    """``auto``: where their storage is not one that others reach."""
    experiment: str = DEFAULT_EXPERIMENT
    """The experiment of the registry's server that copies are put into."""


def read_settings(environ: Mapping[str, str] | None = None) -> ReachSettings:
    """Parse the client's variables.

    Raises:
        RequestRefused: One of them has a value that cannot be used.
    """
    environ = os.environ if environ is None else environ
    mode = environ.get(COPY, CopyMode.AUTO.value)
    experiment = environ.get(COPY_EXPERIMENT, DEFAULT_EXPERIMENT)
    try:
        copy = CopyMode(mode)
    except ValueError:
        allowed = ", ".join(each.value for each in CopyMode)
        raise RequestRefused(f"{COPY} is {mode!r}; use one of {allowed}.") from None
    if not experiment.strip():
        raise RequestRefused(f"{COPY_EXPERIMENT} is empty; name an experiment, or leave it out.")
    return ReachSettings(copy, experiment)


_asked: ContextVar[CopyMode | None] = ContextVar("hokusai_copy", default=None)


@contextmanager
def copying(copy: bool | None) -> Iterator[None]:
    """While the block runs, copy or do not, whatever the settings; None leaves it to them."""
    mode = {None: None, True: CopyMode.ALWAYS, False: CopyMode.NEVER}[copy]
    token = _asked.set(mode)
    try:
        yield
    finally:
        _asked.reset(token)


def asked_mode(settings: ReachSettings) -> CopyMode:
    """Whether to copy: what the caller asks for, else what the settings say."""
    return _asked.get() or settings.copy
