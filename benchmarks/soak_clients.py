"""Clients that register rising values, in a few series."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from decimal import Decimal

import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

TOKENS = 8
MODELS = 16
METRIC = "points"
UNPAYABLE = "TOK-0"
"""Nobody can be paid for it, until somebody names another payee."""
TYPOS = "typos"
"""A model whose version ``n + 1`` is the mistaken baseline of token ``n``."""
_ATTEMPTS = 30
STEP = Decimal("0.006")
"""A series' values rise by this on average, so that every few of them is a DeltaOne."""


class Clients:
    """Registers rising values, in a few series, from many clients at once."""

    def __init__(self, url: str, registrations: int, seed: int) -> None:
        self._client = MlflowClient(url)
        self._registrations = registrations
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._begun = 0
        self._steps: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.latencies_ms: list[float] = []

    def prepare(self) -> None:
        """Models, and a typing error as the baseline of each series, which nobody beats."""
        for n in range(MODELS):
            self._client.create_registered_model(f"model-{n}")
        self._client.create_registered_model(TYPOS)
        for n in range(TOKENS):
            self._register(TYPOS, _tags(f"TOK-{n}", "999"))

    def run(self, _client: int) -> None:
        while work := self._next():
            name, token, value = work
            begin = time.perf_counter()
            self._register(name, _tags(token, value))
            with self._lock:
                self.latencies_ms.append((time.perf_counter() - begin) * 1000)
                self.done["registrations"] += 1

    def _register(self, name: str, tags: dict[str, str]) -> None:
        """Register a version, again where the worker was killed that was to answer."""
        for _attempt in range(_ATTEMPTS):
            try:
                self._client.create_model_version(
                    name, "s3://bucket/model", tags=tags, await_creation_for=0
                )
                return
            except MlflowException as error:
                if not isinstance(error.__context__, requests.RequestException):
                    raise
                with self._lock:
                    self.done["lost answers"] += 1
        raise RuntimeError(f"A registration was not answered {_ATTEMPTS} times.")

    def _next(self) -> tuple[str, str, str] | None:
        with self._lock:
            if self._begun == self._registrations:
                return None
            self._begun += 1
            token = f"TOK-{self._rng.randrange(TOKENS)}"
            self._steps[token] += 1
            # Some repeat what was there, or fall behind it.
            step = self._steps[token] - self._rng.choice((0, 0, 0, 1, 2, 5))
            return f"model-{self._rng.randrange(MODELS)}", token, str(STEP * step)


def _tags(token: str, value: str) -> dict[str, str]:
    return {
        "hokusai_token_id": token,
        "benchmark_metric": METRIC,
        "benchmark_value": value,
        "benchmark_direction": "maximize",
        # That of TOK-0 is the zero address.
        "contributor": f"0x{int(token.removeprefix('TOK-')):040x}",
    }
