"""A receiver of reward events that fails, hangs and drops connections."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + 42 * "S" + "Q="
HANG_S = 2.0


@dataclass
class FlakyReceiver:
    """Counts what it got; it answers well seven times of ten."""

    rng: random.Random
    url: str = ""
    requests: int = 0
    forged: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    order: list[tuple[int, str]] = field(default_factory=list)
    """Sequence and id of each event when it first came."""
    known: set[str] = field(default_factory=set)
    achieved: set[str] = field(default_factory=set)
    """Ids of DeltaOnes that came."""
    revoked: set[str] = field(default_factory=set)
    """Ids of DeltaOnes of which a revocation came."""
    named: set[str] = field(default_factory=set)
    """Likewise, of which payees were named; it can come before the DeltaOne."""
    unpayable: set[str] = field(default_factory=set)
    """Ids of DeltaOnes that came and name nobody who can be paid."""
    paid: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def listening(self) -> Iterator[FlakyReceiver]:
        """Listen on a free port until the block ends."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._hear(self)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/hook"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield self
            server.shutdown()

    def unpaid(self) -> list[str]:
        """Ids of DeltaOnes that came, stand as far as is known, and were not paid."""
        with self.lock:
            return sorted(self.achieved - self.revoked - self.paid)

    def payable(self) -> list[str]:
        """Those of them for which somebody can be paid."""
        with self.lock:
            return sorted(self.achieved - self.revoked - self.paid - (self.unpayable - self.named))

    def _hear(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        try:
            event = Webhook(SECRET).verify(body, dict(handler.headers))
        except WebhookVerificationError:
            with self.lock:
                self.forged += 1
            return
        with self.lock:
            self.requests += 1
            if event["id"] not in self.known:
                self.known.add(event["id"])
                self.order.append((event["sequence"], event["id"]))
                if event["type"] == "hokusai.deltaone.achieved":
                    self.achieved.add(event["id"])
                    if not any(each["payable"] for each in event["data"]["contributors"]):
                        self.unpayable.add(event["id"])
                elif event["type"] == "hokusai.deltaone.payees_named":
                    self.named.add(event["data"]["event"]["id"])
                elif event["type"] == "hokusai.deltaone.revoked":
                    self.revoked.add(event["data"]["event"]["id"])
            answer = self.rng.choices(("well", "error", "drop", "hang"), (70, 15, 10, 5))[0]
            self.failures[answer] += 1
        if answer == "hang":
            time.sleep(HANG_S)
        if answer in ("well", "error"):
            handler.send_response(204 if answer == "well" else 500)
            handler.end_headers()
