"""JSON bodies that strangers send: read whole only where they are small and unambiguous."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from security.seeds import seed
from security.servers import GUNICORN, JSON, PREFIX, Server, error_of, serve
from support.databases import AllDatabases

from hokusai_mlflow_plugin.web.bodies import MAX_BODY_BYTES

TARGET = f"{PREFIX}tags/validate"
MIB = 1024 * 1024


@pytest.fixture(scope="module", params=[(), GUNICORN], ids=["uvicorn", "gunicorn"])
def server(
    request: pytest.FixtureRequest,
    all_databases: AllDatabases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server of each kind: they hand bodies over in different ways."""
    uri = all_databases.of("sqlite").create()
    with serve(tmp_path_factory.mktemp("bodies"), uri, *request.param) as running:
        yield running


def _tags(count: int) -> bytes:
    return json.dumps({"tags": [{"key": f"k{n}", "value": "v"} for n in range(count)]}).encode()


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"tags=[]",
    "a list": b"[]",
    "a string": b'"tags"',
    "null": b"null",
    "a number": b"1",
    "half an object": b'{"tags": [',
    "two objects": b'{"tags": []} {"tags": []}',
    "a key twice": b'{"tags": [], "tags": [{"key": "a", "value": "b"}]}',
    "a key twice inside": b'{"tags": [{"key": "a", "key": "b", "value": "c"}]}',
    "an escaped key twice": b'{"tags": [], "t\\u0061gs": []}',
    "an unknown field": b'{"tags": [], "token_id": "IMG-001"}',
    "an unknown field inside": b'{"tags": [{"key": "a", "value": "b", "Value": "c"}]}',
    "no tags": b"{}",
    "tags as an object": b'{"tags": {"a": "b"}}',
    "a tag as a pair": b'{"tags": [["a", "b"]]}',
    "a number as value": b'{"tags": [{"key": "a", "value": 1}]}',
    "null as value": b'{"tags": [{"key": "a", "value": null}]}',
    "a flag as value": b'{"tags": [{"key": "a", "value": true}]}',
    "NaN": b'{"tags": NaN}',
    "Infinity": b'{"tags": -Infinity}',
    "a number of 5,000 digits": b'{"tags": ' + b"9" * 5000 + b"}",
    "a NUL character": b'{"tags": [{"key": "a", "value": "b\\u0000"}]}',
    "a raw NUL": b'{"tags": [{"key": "a", "value": "\x00"}]}',
    "a lone surrogate": b'{"tags": [{"key": "a", "value": "\\ud800"}]}',
    "a lone surrogate as key": b'{"tags": [], "\\udfff": 1}',
    "no UTF-8": b'{"tags": "\xff\xfe"}',
    "UTF-16": '{"tags": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"tags": []}',
    "an overlong encoding": b'{"tags": "\xc0\x80"}',
    "deep lists": b'{"tags": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "two values for one tag": (
        b'{"tags": [{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]}'
    ),
    "10,000 faulty tags": json.dumps({"tags": [{"key": "a"}] * 10_000}).encode(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bad_body_is_refused(server: Server, body: bytes) -> None:
    """What is no single, unambiguous JSON object with known fields is a 400 with a short reason."""
    status, _headers, answer = server.raw("POST", TARGET, body, JSON)
    assert status == 400
    assert len(error_of(answer)["message"]) < 4000


BAD_HEADERS: dict[str, dict[str, str]] = {
    "no content type": {},
    "a form": {"Content-Type": "application/x-www-form-urlencoded"},
    "plain text": {"Content-Type": "text/plain"},
    "multipart": {"Content-Type": "multipart/form-data; boundary=x"},
    "almost JSON": {"Content-Type": "application/jsonp"},
    "gzip": {**JSON, "Content-Encoding": "gzip"},
    "deflate and gzip": {**JSON, "Content-Encoding": "deflate, gzip"},
    "an unknown encoding": {**JSON, "Content-Encoding": "br"},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_bad_header_is_refused(server: Server, headers: dict[str, str]) -> None:
    """Only plain JSON that says so is read."""
    status, _headers, answer = server.raw("POST", TARGET, b'{"tags": []}', headers)
    assert status == 400
    assert error_of(answer)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_charset_parameter_is_allowed(server: Server) -> None:
    """``application/json; charset=utf-8`` is JSON."""
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert server.raw("POST", TARGET, b'{"tags": []}', headers)[0] == 200


def test_query_of_a_post_is_refused(server: Server) -> None:
    """Parameters in the query of a POST would be ignored, so they are refused."""
    assert server.raw("POST", f"{TARGET}?tags=1", b'{"tags": []}', JSON)[0] == 400


def test_ten_thousand_tags_are_answered(server: Server) -> None:
    """Many tags below the size limit are an honest request."""
    status, _headers, answer = server.raw("POST", TARGET, _tags(10_000), JSON)
    assert status == 200
    assert {each["code"] for each in json.loads(answer)["violations"]} == {"required_tag_missing"}


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 12 * MIB])
def test_large_body_is_refused(server: Server, size: int) -> None:
    """A body over the limit is a 413 with MLflow's error body, which the client gets to read."""
    status, headers, answer = server.raw("POST", TARGET, b" " * size, JSON)
    assert (status, headers["content-type"]) == (413, "application/json")
    assert str(MAX_BODY_BYTES) in error_of(answer)["message"]


def test_body_at_the_limit_is_read(server: Server) -> None:
    """The limit itself is allowed."""
    body = b'{"tags": []}'.ljust(MAX_BODY_BYTES)
    assert server.raw("POST", TARGET, body, JSON)[0] == 200


def test_chunked_body_is_refused(server: Server) -> None:
    """A body of unknown length is not read at all."""
    headers = {**JSON, "Transfer-Encoding": "chunked"}
    body = b"c\r\n" + b'{"tags": []}' + b"\r\n0\r\n\r\n"
    status, _headers, answer = server.raw("POST", TARGET, body, headers)
    assert status in (400, 411)
    assert "Content-Length" in error_of(answer)["message"]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_compressed_bomb_is_not_unpacked(server: Server, pack: object) -> None:
    """200 MiB of zeros in 200 KiB are refused by their header; memory does not grow by them."""
    bomb = pack(bytes(200 * MIB))  # type: ignore[operator]
    before = _memory(server)
    for encoding in ("gzip", "deflate"):
        status, _headers, _answer = server.raw(
            "POST", TARGET, bomb, {**JSON, "Content-Encoding": encoding}
        )
        assert status == 400
    assert _memory(server) - before < 64 * MIB


@pytest.mark.parametrize("fault", ["1", "{}"], ids=["numbers", "objects"])
def test_half_a_million_faults_do_not_fill_the_memory(server: Server, fault: str) -> None:
    """The first fault of a list ends the check: each one more would cost a kilobyte."""
    count = (MAX_BODY_BYTES - 20) // (len(fault) + 1)
    body = b'{"tags": [' + b",".join([fault.encode()] * count) + b"]}"
    _send_and_refuse(server, b'{"tags": [1]}')
    before = _peak_memory(server)
    _send_and_refuse(server, body)
    assert _peak_memory(server) - before < 128 * MIB


def _send_and_refuse(server: Server, body: bytes) -> None:
    status, _headers, answer = server.raw("POST", TARGET, body, JSON)
    assert status == 400
    assert "tags.0" in error_of(answer)["message"]


def test_memory_stays_bounded_under_large_bodies(server: Server) -> None:
    """Bodies of 48 MiB, again and again, do not stay in memory nor pass through it."""
    _send_large_body(server)
    before = _memory(server)
    for _time in range(5):
        _send_large_body(server)
    assert _memory(server) - before < 32 * MIB


def _send_large_body(server: Server) -> None:
    # The server need not take all of it off the wire before it hangs up.
    with suppress(ConnectionError):
        assert server.raw("POST", TARGET, b" " * (48 * MIB), JSON)[0] == 413


def _memory(server: Server) -> int:
    """Bytes that the server's processes hold."""
    return sum(process.memory_info().rss for process in _processes(server))


def _peak_memory(server: Server) -> int:
    """Bytes that the server's processes held at most since they began (Linux)."""
    status = (Path(f"/proc/{process.pid}/status") for process in _processes(server))
    peaks = (re.search(r"VmHWM:\s+(\d+) kB", each.read_text()) for each in status)
    return sum(int(peak[1]) * 1024 for peak in peaks if peak)


def _processes(server: Server) -> set[psutil.Process]:
    port = int(server.url.rpartition(":")[2])
    processes = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(port) in " ".join(process.info["cmdline"] or ())
    ]
    return {each for one in processes for each in (one, *one.children(recursive=True))}


def test_seeded_registry_is_untouched(server: Server, tmp_path: Path) -> None:
    """Nothing that this module sent has written anything."""
    assert server.ask("tokens/list").json() == {"tokens": []}
    seed(server)
    assert len(server.ask("tokens/list").json()["tokens"]) == 2
