"""The stand-in for curl sends what curl would."""

from __future__ import annotations

import subprocess
import sys

from docs.blocks import CURL
from support.listening import listen


def test_headers_and_body_arrive() -> None:
    """A request with a header and a body is posted, and the answer printed."""
    with listen() as server:
        command = [sys.executable, str(CURL), "-s", f"{server.url}/path", "-H", "X-Test: yes"]
        done = subprocess.run([*command, "-d", '{"a": 1}'], check=True, capture_output=True)
        sent = server.next()
    assert done.stdout == b"{}"
    assert (sent.method, sent.path, sent.body) == ("POST", "/path", b'{"a": 1}')
    assert sent.headers["X-Test"] == "yes"
