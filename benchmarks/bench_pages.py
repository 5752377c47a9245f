"""Pages beside the REST routes that tell the same: the first byte of each, in turn."""

from __future__ import annotations

import http.client
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_databases import LINEAGE_SIZES, LONG_TOKEN, LONG_TOKEN_VERSIONS, lineage_model
from bench_http import HOKUSAI
from bench_servers import serving
from bench_timing import Figure, in_time, times_ms

MAX_DOCUMENT = 300_000
_PEER = "its REST route"
_LONGEST = LINEAGE_SIZES[-1]
_PAIRS = {
    f"page of a token of {LONG_TOKEN_VERSIONS}": (
        f"/hokusai/token?token_id={LONG_TOKEN}",
        f"{HOKUSAI}/tokens/get?token_id={LONG_TOKEN}",
    ),
    f"page of a model of {_LONGEST}": (
        f"/hokusai/model?name={lineage_model(_LONGEST)}",
        f"{HOKUSAI}/registered-models/lineage?name={lineage_model(_LONGEST)}",
    ),
    "page of tokens": ("/hokusai/", f"{HOKUSAI}/tokens/list"),
    "page of the ledger": ("/hokusai/ledger", f"{HOKUSAI}/reward-events/list"),
}


def measure(database: str, uri: str, versions: int, rounds: int) -> list[Figure]:
    """Figures of pages on one database; a document that is too long ends the benchmark."""
    figures = []
    with (
        tempfile.TemporaryDirectory(prefix="hokusai-bench-") as name,
        serving(uri, Path(name), plugin=True) as server,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        for what, (page, route) in _PAIRS.items():
            size = len(_get(connection, page))
            if size > MAX_DOCUMENT:
                raise SystemExit(f"The {what} has {size} bytes, {MAX_DOCUMENT} at most.")
            cases = {"page": _ask(connection, page), "route": _ask(connection, route)}
            found = times_ms(cases, rounds)
            shown = f"{what} ({size // 1000} kB), HTTP"
            figures.append(
                in_time(database, versions, shown, _PEER, found["page"], found["route"], "≤3")
            )
        connection.close()
    return figures


def require_prompt_pages(figures: Sequence[Figure]) -> None:
    """End with an error where a page takes more than three times what its route does."""
    late = [figure.what for figure in figures if figure.peer == _PEER and not figure.met]
    if late:
        raise SystemExit(f"More than three times the time of {_PEER}: {'; '.join(late)}.")


def _ask(connection: http.client.HTTPConnection, path: str) -> Callable[[], object]:
    return lambda: _get(connection, path)


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    """The whole answer: the server makes it before it sends the first byte."""
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path}: {answer.status} {body.decode()}")
    return body
