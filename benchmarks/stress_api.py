"""MLflow's REST API as the stress clients use it: one request at a time, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import requests

MLFLOW = "/api/2.0/mlflow"
HOKUSAI = "/api/2.0/hokusai"
TIMEOUT_S = 180
SOURCE = "s3://bucket/model"

_REFUSALS = {
    (400, "INVALID_PARAMETER_VALUE"),
    (400, "RESOURCE_ALREADY_EXISTS"),
    (404, "RESOURCE_DOES_NOT_EXIST"),
    (409, "RESOURCE_CONFLICT"),
}


class Outcome(Enum):
    """What a client knows of a write."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It was lost on the way there, or on the way back."""


@dataclass
class Reply:
    """What came back."""

    outcome: Outcome
    status: int
    body: dict[str, Any]

    @property
    def done(self) -> bool:
        return self.outcome is Outcome.DONE


@dataclass
class Api:
    """Sends requests, counts, and notes what must not happen."""

    url: str
    statuses: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    """How many writes were done, refused, or have an unknown outcome."""
    faults: list[str] = field(default_factory=list)
    outages: list[tuple[float, float, str]] = field(default_factory=list)
    """Begin, end and kind of each request that met no worker, or a dying one."""

    def read(self, path: str, **parameters: Any) -> Reply:
        return self._send("GET", path, params=parameters)

    def write(self, method: str, path: str, **body: Any) -> Reply:
        reply = self._send(method, f"{MLFLOW}/{path}", json=body)
        self.writes[reply.outcome.value] += 1
        return reply

    def write_version(self, method: str, what: str, **body: Any) -> Reply:
        return self.write(method, f"model-versions/{what}", **body)

    def write_model(self, method: str, what: str, **body: Any) -> Reply:
        return self.write(method, f"registered-models/{what}", **body)

    def must(self, expected: Outcome, reply: Reply, what: str) -> Reply:
        """Note a fault where a reply is known, and is not the one that the rules demand."""
        if reply.outcome not in (expected, Outcome.UNKNOWN):
            self.faults.append(f"{what}: {expected.value} expected, {reply.status} {reply.body}")
        return reply

    def _send(self, method: str, path: str, **arguments: Any) -> Reply:
        begin = time.time()
        try:
            # A connection for each request spreads them over the workers.
            response = requests.request(
                method,
                self.url + path,
                headers={"Connection": "close"},
                timeout=TIMEOUT_S,
                **arguments,
            )
            reply = self._judge(f"{method} {path}", response, begin)
        except requests.Timeout:
            self.faults.append(f"{method} {path} {arguments}: no answer in {TIMEOUT_S} s")
            reply = Reply(Outcome.UNKNOWN, 0, {})
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            self.outages.append((begin, time.time(), "connection error"))
            reply = Reply(Outcome.UNKNOWN, 0, {})
        self.statuses[str(reply.status or "connection error")] += 1
        return reply

    def _judge(self, what: str, response: requests.Response, begin: float) -> Reply:
        try:
            body = response.json()
        except ValueError:
            body = {"message": response.text[:200]}
        status = response.status_code
        if status == 200:
            return Reply(Outcome.DONE, status, body)
        if (status, body.get("error_code")) in _REFUSALS:
            return Reply(Outcome.REFUSED, status, body)
        if status == 503:
            self.outages.append((begin, time.time(), f"503 {body.get('message')}"))
        else:
            self.faults.append(f"{what}: {status} {body}")
        return Reply(Outcome.UNKNOWN, status, body)


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
