"""Kept connections beside fresh ones: what is kept open must not answer later."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench_servers import serving
from bench_timing import Figure, in_time, times_ms

_PEER = "a fresh connection"
_OTHER_LOOP = ("--uvicorn-opts", "--loop asyncio")


def measure(database: str, uri: str, versions: int, rounds: int) -> list[Figure]:
    """Figures of the server as it starts by default, and under another event loop."""
    figures = []
    for shown, options in (("default start", ()), ("asyncio's loop", _OTHER_LOOP)):
        with (
            tempfile.TemporaryDirectory(prefix="hokusai-bench-") as name,
            serving(uri, Path(name), plugin=True, workers=None, options=options) as server,
        ):
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

            def on_kept(connection: http.client.HTTPConnection = kept) -> None:
                connection.request("GET", "/health")
                connection.getresponse().read()

            def on_fresh(port: int = server.port) -> None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/health")
                connection.getresponse().read()
                connection.close()

            found = times_ms({"fresh": on_fresh, "kept": on_kept}, rounds)
            what = f"/health on a kept connection, {shown}"
            figures.append(
                in_time(database, versions, what, _PEER, found["kept"], found["fresh"], "≤2")
            )
    return figures


def require_prompt_answers(figures: Sequence[Figure]) -> None:
    """End with an error where a kept connection costs more than twice a fresh one."""
    late = [figure.what for figure in figures if figure.peer == _PEER and not figure.met]
    if late:
        raise SystemExit(f"More than twice the time of {_PEER}: {'; '.join(late)}.")
