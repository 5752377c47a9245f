"""A post has one deadline for all of it, and a failure tells nothing of the URL."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from shutil import which

import pytest
import requests

from hokusai_mlflow_plugin.services.rewards import posting
from hokusai_mlflow_plugin.services.rewards.posting import DeadlineExceeded, Poster, failure
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

TIMEOUT_S = 1.0
SLOW_S = 20.0
"""How long a receiver would take in all, a byte at a time."""


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that answers every connection in a thread of its own; its port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _address = listener.accept()
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket) -> None:
    """Answer a byte now and then, each long before a timeout of reads."""
    connection.recv(65536)
    begun = time.monotonic()
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while time.monotonic() < begun + SLOW_S:
        connection.sendall(b"x")
        time.sleep(0.1)


def posting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reward-post"]


def wait_for_no_thread() -> None:
    deadline = time.monotonic() + 30
    while posting_threads():
        assert time.monotonic() < deadline, "the thread is left over"
        time.sleep(0.02)


def assert_given_up(poster: Poster) -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="within 1 seconds"):
        poster.post(b"{}", {})
    assert TIMEOUT_S <= time.monotonic() - begun < SLOW_S / 4
    wait_for_no_thread()


def test_an_answer_that_drips():
    """The deadline is one of the whole attempt, and nothing of it is left over."""
    with serving(drip) as port:
        url = f"http://127.0.0.1:{port}/hook"
        poster = Poster(webhook_session(url, allow_private=True), url, TIMEOUT_S)
        assert_given_up(poster)
        assert_given_up(poster)


def test_an_end_that_the_deadline_made(monkeypatch):
    """A thread that has failed because its connection was shut down is told as the deadline."""
    give_up = posting._Attempt.give_up

    def give_up_and_wait(attempt: posting._Attempt) -> None:
        give_up(attempt)
        wait_for_no_thread()

    monkeypatch.setattr(posting._Attempt, "give_up", give_up_and_wait)
    with serving(drip) as port:
        url = f"http://127.0.0.1:{port}/hook"
        assert_given_up(Poster(webhook_session(url, allow_private=True), url, TIMEOUT_S))


@pytest.mark.skipif(which("openssl") is None, reason="Certificates are made with openssl.")
def test_an_answer_that_drips_over_tls(tmp_path):
    """The same inside a TLS connection."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *words.split(), "-keyout", key, "-out", certificate, *names],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def drip_encrypted(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            drip(encrypted)

    with serving(drip_encrypted) as port:
        url = f"https://127.0.0.1:{port}/hook"
        session = webhook_session(url, allow_private=True)
        session.verify = str(certificate)
        assert_given_up(Poster(session, url, TIMEOUT_S))


def test_a_handshake_that_drips():
    """The TLS handshake counts as well."""
    with serving(drip) as port:
        url = f"https://127.0.0.1:{port}/hook"
        poster = Poster(webhook_session(url, allow_private=True), url, TIMEOUT_S)
        begun = time.monotonic()
        with pytest.raises((DeadlineExceeded, requests.RequestException)):
            poster.post(b"{}", {})
        assert time.monotonic() - begun < SLOW_S / 4
        wait_for_no_thread()


def test_a_name_that_is_slowly_looked_up(monkeypatch):
    """Nothing can cut a look-up short; the post is given up all the same, and nothing is sent."""
    heard = threading.Event()
    slow, done = threading.Event(), socket.getaddrinfo

    def look_up(*arguments, **options):
        slow.wait(SLOW_S)
        return done(*arguments, **options)

    with serving(lambda connection: heard.set() if connection.recv(1) else None) as port:
        url = f"http://127.0.0.1:{port}/hook"
        poster = Poster(webhook_session(url, allow_private=True), url, TIMEOUT_S)
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        with pytest.raises(DeadlineExceeded):
            poster.post(b"{}", {})
        slow.set()
        wait_for_no_thread()
        assert not heard.wait(0.3)


def test_a_session_may_have_several_posters():
    """The second watches the connections as the first did."""
    with serving(drip) as port:
        url = f"http://127.0.0.1:{port}/hook"
        session = webhook_session(url, allow_private=True)
        for _poster in range(2):
            poster = Poster(session, url, TIMEOUT_S)
        assert_given_up(poster)


def test_what_failed_is_told_by_classes():
    """And by the system's own word for it."""
    url = "http://127.0.0.1:1/s3cret"
    poster = Poster(webhook_session(url, allow_private=True), url, TIMEOUT_S)
    with pytest.raises(requests.ConnectionError) as caught:
        poster.post(b"{}", {})
    assert "s3cret" in str(caught.value)
    assert failure(caught.value) == "ConnectionError: ConnectionRefusedError (Connection refused)"
    assert failure(ValueError("s3cret")) == "ValueError"
    assert failure(OSError(1, "s3cret")) == "PermissionError (Operation not permitted)"


@pytest.mark.parametrize("hangs", ["the receiver", "a proxy", "the handshake with a proxy"])
def test_a_wait_as_long_as_the_deadline(hangs, monkeypatch):
    """Where requests' own time-out is seen first, it is told as the deadline, too."""
    with serving(lambda _connection: time.sleep(3)) as port, requests.Session() as session:
        url, here = "https://rewards.example.invalid/hook", f"127.0.0.1:{port}"
        if hangs == "the receiver":
            url = f"http://{here}/hook"
        else:
            scheme = "https" if "handshake" in hangs else "http"
            session.proxies = {"https": f"{scheme}://{here}"}
        through = Poster(session, url, 0.3)
        # Nobody shuts the connection down in the meantime.
        monkeypatch.setattr(threading.Thread, "join", waiting_longer(threading.Thread.join))
        with pytest.raises(DeadlineExceeded, match=r"within 0\.3 seconds"):
            through.post(b"{}", {})


def waiting_longer(join):
    """A thread's ``join`` that waits two seconds longer than it is asked to."""
    return lambda thread, timeout=None: join(thread, None if timeout is None else timeout + 2)
