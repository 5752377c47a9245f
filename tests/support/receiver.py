"""A reward service for tests: a real HTTP server that answers as it is told, well or badly."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + 43 * "A" + "="
OTHER_SECRET = "whsec_" + 42 * "B" + "E="
REDIRECTED = "/elsewhere"

Answer = int | str | tuple[int, str]
"""An HTTP status, or one with a ``Retry-After``; or ``hang`` (until :meth:`Receiver.release`),
``drop`` (close without a word), ``endless`` (200 and a body without end), ``redirect`` (307 to
:data:`REDIRECTED`)."""


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    path: str
    id: str
    headers: dict[str, str]
    body: bytes
    event: Any
    """The verified event; None where the signature does not fit."""
    client: tuple[str, int] = ("", 0)
    """The other end of the connection that it came by."""


@dataclass
class Receiver:
    """Where it is, what it heard, and how it answers."""

    port: int
    heard: list[Delivery] = field(default_factory=list)
    answer: Callable[[Delivery], Answer] = lambda _delivery: 204
    secret: str = SECRET
    _released: threading.Event = field(default_factory=threading.Event)
    _hanging: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The ids in the order in which they came, repeats included."""
        return [delivery.id for delivery in self.heard]

    @property
    def first_ids(self) -> list[str]:
        """The ids in the order in which they first came."""
        return list(dict.fromkeys(self.ids))

    def answers(self, *answers: Answer) -> None:
        """Answer the next requests so, and all later ones as the last."""
        left = list(answers)
        self.answer = lambda _delivery: left.pop(0) if len(left) > 1 else left[0]

    def wait_until_hanging(self) -> None:
        """Wait for a request that hangs."""
        assert self._hanging.acquire(timeout=30)

    def release(self) -> None:
        """Let what hangs go on, and nothing hang any more."""
        self._released.set()

    def verified(self, secrets: Sequence[str], delivery: Delivery) -> list[bool]:
        """Whether a delivery's signature fits each of the secrets."""
        return [_verify(secret, delivery.headers, delivery.body) is not None for secret in secrets]

    def hear(self, handler: BaseHTTPRequestHandler) -> None:
        """Take a request down and answer it."""
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {key.lower(): value for key, value in handler.headers.items()}
        delivery = Delivery(
            handler.path,
            headers.get("webhook-id", ""),
            headers,
            body,
            _verify(self.secret, headers, body),
            handler.client_address[:2],
        )
        self.heard.append(delivery)
        answer = self.answer(delivery)
        if answer == "hang":
            self._hanging.release()
            self._released.wait(60)
        if answer in ("hang", "drop"):
            handler.close_connection = True
            return
        status, retry_after = answer if isinstance(answer, tuple) else (answer, None)
        handler.send_response(int({"endless": 200, "redirect": 307}.get(str(status), status)))
        if retry_after is not None:
            handler.send_header("retry-after", retry_after)
        if answer == "redirect":
            handler.send_header("location", REDIRECTED)
        if answer != "endless":
            handler.send_header("content-length", "0")
        handler.end_headers()
        while answer == "endless" and not self._released.is_set():
            handler.wfile.write(1024 * b"x")
            time.sleep(0.01)


def _verify(secret: str, headers: dict[str, str], body: bytes) -> Any:
    try:
        return Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return None


@contextmanager
def receiving(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Listen until the block ends, on a free port or on one where a receiver was before."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                receiver.hear(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", port), Handler) as server:
        if tls is not None:
            # The handshake is made by the thread that reads, so a client cannot hold up the server.
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        receiver = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.release()
            server.shutdown()
            thread.join()
