"""An HTTP server in this process that remembers what it was sent: somebody else's server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Listening:
    """Where the server is, what it answers, and what it heard."""

    url: str
    status: int = 200
    answer: str = "{}"
    content_type: str = "application/json"
    heard: Queue[Request] = field(default_factory=Queue)

    def next(self) -> Request:
        """The oldest request that nobody has looked at; it is waited for."""
        return self.heard.get(timeout=_WAIT_SECONDS)


@contextmanager
def listen() -> Iterator[Listening]:
    """Listen on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            found.heard.put(Request(self.command, self.path, dict(self.headers.items()), body))
            answer = found.answer.encode()
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815  # the name that http.server looks for

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Listening(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
