"""Who corrects, reviews and settles rewards meanwhile, each over HTTP and in its own thread."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from soak_clients import METRIC, TOKENS, TYPOS, UNPAYABLE
from soak_receiver import FlakyReceiver

Json = dict[str, Any]

REVOKED = 0.1
"""Of the looks at a token, those that revoke its latest DeltaOne."""
REJECTED = 0.1
MENDED = 0.5
"""Of the looks at a token, those that find its baseline to be a mistake."""
PAYEE = "0x" + 40 * "9"
EVENTS = "reward_events"
_ATTEMPTS = 30
_SERVER_ERROR = 500


@dataclass
class Api:
    """The registry's routes, asked again where a worker was killed at the answer."""

    url: str
    faults: Counter[str] = field(default_factory=Counter)
    """What no request should be answered with."""
    done: Counter[str] = field(default_factory=Counter)
    """Answers by route and status."""

    def feed(self) -> Iterator[Json]:
        """Every event in order, each with its state."""
        after = 0
        while page := self.events(after=after):
            yield from page
            after = page[-1]["sequence"]

    def events(self, **parameters: Any) -> list[Json]:
        """A page of events, each with its ``state`` in it."""
        answer = self._ask("GET", "reward-events/list", params={"max_results": 1000, **parameters})
        found = answer.json()
        return [{**event, "state": found["states"].get(event["id"])} for event in found[EVENTS]]

    def change(self, route: str, **body: Any) -> int:
        """The status of a POST. 409 is an answer: others were faster."""
        status = self._ask("POST", route, json=body).status_code
        self.done[f"{route} {status}"] += 1
        return status

    def delete_version(self, name: str, version: int) -> None:
        """Delete a version; 404 is an answer: it is gone."""
        body = {"name": name, "version": str(version)}
        self._ask("DELETE", "model-versions/delete", "mlflow", (200, 404), json=body)

    def _ask(
        self,
        method: str,
        route: str,
        api: str = "hokusai",
        expected: Collection[int] = (200, 409),
        **what: Any,
    ) -> requests.Response:
        for _attempt in range(_ATTEMPTS):
            try:
                answer = requests.request(
                    method, f"{self.url}/api/2.0/{api}/{route}", timeout=60, **what
                )
            except requests.RequestException:
                time.sleep(0.2)
                continue
            if answer.status_code not in expected:
                self.faults[f"{route}: {answer.status_code} {answer.text}"] += 1
            return answer
        raise RuntimeError(f"{route} was not answered {_ATTEMPTS} times.")


@dataclass
class Roles:
    """A reviewer, an administrator and a reward service."""

    api: Api
    receiver: FlakyReceiver
    rng: random.Random
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Review, correct, name payees and settle while the block runs."""
        roles = (self.review, self.revoke, self.rebase, self.name_payees, self.settle)
        with ThreadPoolExecutor(len(roles)) as pool:
            working = [pool.submit(self._repeat, role) for role in roles]
            try:
                yield
            finally:
                self._stopped.set()
                for each in working:
                    each.result()

    def _repeat(self, role: Callable[[], object]) -> None:
        while not self._stopped.wait(0.1):
            role()

    def review(self) -> int:
        """Approve most of what waits, and reject the rest; how many waited."""
        waiting = self.api.events(state="in_review")
        # The newest first: one that a later one of its series was measured against is not rejected
        # (409), and approved at another look.
        for event in reversed(waiting):
            if self.rng.random() < REJECTED:
                self.api.change("reward-events/reject", id=event["id"], reason="not convinced")
            else:
                self.api.change("reward-events/approve", id=event["id"])
        return len(waiting)

    def revoke(self) -> None:
        """Revoke the latest DeltaOne of some token."""
        standing = self._standing(f"TOK-{self.rng.randrange(TOKENS)}")
        if standing and self.rng.random() < REVOKED:
            self.api.change("reward-events/revoke", id=standing[-1]["id"], reason="a typo")

    def rebase(self) -> int:
        """Have some series that begin with a mistake begin anew; how many were left before."""
        left = [n for n in range(TOKENS) if not self._told_of(f"TOK-{n}", "series.rebased")]
        for n in left:
            if self.rng.random() < MENDED:
                self.api.delete_version(TYPOS, n + 1)
                # 409 before the first right value is there.
                self.api.change(
                    "series/rebase",
                    token_id=f"TOK-{n}",
                    benchmark_metric=METRIC,
                    reason="999 was a typo",
                )
        return len(left)

    def name_payees(self) -> None:
        """Name who is paid where nobody can be; of what waits for its review, nobody is."""
        named = {e["data"]["event"]["id"] for e in self._told_of(UNPAYABLE, "payees_named")}
        payees = [{"address": PAYEE, "weight": 10_000}]
        for event in self._standing(UNPAYABLE):
            if event["id"] not in named and event["state"] != "in_review":
                body = {"id": event["id"], "contributors": payees, "reason": "forgotten"}
                self.api.change("reward-events/name-payees", **body)

    def _standing(self, token: str) -> list[Json]:
        return [
            each for each in self._told_of(token, "deltaone.achieved") if each["state"] != "revoked"
        ]

    def _told_of(self, token: str, kind: str) -> list[Json]:
        """The events of a token that are of one kind."""
        return [e for e in self.api.events(token_id=token) if e["type"].endswith(kind)]

    def settle(self) -> None:
        """Pay what can be and was not paid yet; the same reference again says nothing new."""
        for event_id in self.receiver.payable():
            body = {"id": event_id, "status": "paid", "reference": f"payment of {event_id}"}
            for _twice in range(2):
                self.api.change("reward-events/settle", **body)
            self.receiver.paid.add(event_id)
