"""Posting to a receiver within a deadline, and saying what failed without quoting its URL.

The timeout of requests is one of each read: a receiver that sends a byte now and then outlasts it.
So a thread posts, and when the time is up its connection is shut down, which ends the thread. Only
while the name is looked up or a connection is opened is there nothing to shut down; both end by
themselves, and nothing is sent after them.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

_SHORT_BYTES = 4_096
"""An answer's body is read up to this length."""


@dataclass(frozen=True)
class Answer:
    """The head of a receiver's answer."""

    status: int
    retry_after: str | None = None
    """Its header of that name."""


class DeadlineExceeded(Exception):
    """The receiver did not answer in time."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"The receiver did not answer within {timeout_s:g} seconds.")


class Poster:
    """Posts to one URL."""

    def __init__(self, session: requests.Session, url: str, timeout_s: float) -> None:
        """Set up; nothing is sent yet.

        Args:
            session: Sends the requests; nobody else uses it.
            url: Where to.
            timeout_s: How long a post may take in all, from the look-up of the name to the end of
                the answer's head.
        """
        self._session = session
        self._url = url
        self._timeout_s = timeout_s
        for adapter in session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                _watch(adapter.poolmanager)
                _watch_proxies(adapter)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post, without following a redirect; what counts is the head of the answer.

        Returns:
            The head of the answer.

        Raises:
            DeadlineExceeded: There was none in time.
            Exception: Whatever else failed.
        """
        attempt = _Attempt()
        outcome: list[Answer | Exception] = []

        def run() -> None:
            _running.attempt = attempt
            try:
                self._post(body, headers, outcome)
            except Exception as error:
                outcome.append(error)

        # A daemon: a look-up of a name that hangs must not keep the process from ending.
        thread = threading.Thread(target=run, name="reward-post", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        # Before the shutdown, which can end a head in its middle: that reads as an answer, too.
        known = outcome[:1]
        if thread.is_alive():
            attempt.give_up()
        # A single wait may be as long as all of it, and can be seen to end first.
        if not known or _is_timeout(known[0]):
            raise DeadlineExceeded(self._timeout_s)
        if isinstance(known[0], Exception):
            raise known[0]
        return known[0]

    def _post(
        self, body: bytes, headers: Mapping[str, str], outcome: list[Answer | Exception]
    ) -> None:
        with self._session.post(
            self._url,
            data=body,
            headers=headers,
            timeout=self._timeout_s,
            allow_redirects=False,
            stream=True,  # an endless answer is not read
        ) as response:
            outcome.append(Answer(response.status_code, response.headers.get("retry-after")))
            # What is read to its end leaves the connection open for the next post.
            if _is_short(response):
                _ = response.content


def _is_short(response: requests.Response) -> bool:
    length = response.headers.get("content-length", "")
    return response.status_code == HTTPStatus.NO_CONTENT or (
        length.isdecimal() and int(length) <= _SHORT_BYTES
    )


def failure(error: Exception) -> str:
    """What failed, for the log: by classes and the system's own words.

    The text of an exception may quote the URL, and with it a secret in its path or query.
    """
    if isinstance(error, DeadlineExceeded):
        return str(error)
    cause = _innermost(error)
    names = dict.fromkeys(type(each).__name__ for each in (error, cause))
    reason = _reason(cause)
    return ": ".join(names) + (f" ({reason})" if reason else "")


def _is_timeout(outcome: Answer | Exception) -> bool:
    """Whether a wait of requests ended; the system's own time-outs, which have a number, are none.

    Behind a proxy requests makes no ``Timeout`` of it.
    """
    if isinstance(outcome, Answer):
        return False
    cause = _innermost(outcome)
    return isinstance(cause, TimeoutError) and cause.errno is None


def _innermost(error: BaseException) -> BaseException:
    while inner := _inner(error):
        error = inner
    return error


def _inner(error: BaseException) -> BaseException | None:
    """What an error was raised for; urllib3 hands some on as arguments alone (behind a proxy)."""
    linked = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    handed = (getattr(error, "reason", None), *error.args)
    return linked or next((each for each in handed if isinstance(each, BaseException)), None)


def _reason(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "reason", None)  # a word such as CERTIFICATE_VERIFY_FAILED
    if isinstance(cause, socket.gaierror):
        return cause.strerror
    if isinstance(cause, OSError) and isinstance(cause.errno, int):
        return os.strerror(cause.errno)
    # Python's http.client tells so alone what a proxy answered.
    refused = re.match(r"Tunnel connection failed: (\d{3})", str(cause))
    return f"the proxy answered {refused[1]}" if refused else None


class _Attempt:
    """The connections of one post, to be shut down when its time is up."""

    def __init__(self) -> None:
        self._is_over = False
        self._connections: list[HTTPConnection] = []
        self._lock = threading.Lock()

    def enter(self, connection: HTTPConnection) -> None:
        """Let a connection be used, unless the time is up."""
        with self._lock:
            if not self._is_over:
                self._connections.append(connection)
                return
        connection.close()
        raise TimeoutError

    def give_up(self) -> None:
        """Shut down what is open, and let nothing new be opened."""
        with self._lock:
            self._is_over = True
        for connection in self._connections:
            sock: Any = connection.sock
            if isinstance(sock, socket.socket):
                with suppress(OSError):  # it may have been closed just now
                    # Not that of SSLSocket: it takes the TLS session from under who reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


_running = threading.local()
"""``attempt``: that of the thread."""


class _Watched(HTTPConnection):
    """A connection that knows the attempt that it is used in."""

    def connect(self) -> None:
        _running.attempt.enter(self)
        super().connect()
        _running.attempt.enter(self)  # where the time went by meanwhile, there was no socket yet

    def request(self, *args: Any, **kwargs: Any) -> None:
        _running.attempt.enter(self)
        super().request(*args, **kwargs)


def _watch_proxies(adapter: HTTPAdapter) -> None:
    """The same for the managers of connections through a proxy, which are made when needed."""
    made = adapter.proxy_manager_for

    def proxy_manager_for(*args: Any, **kwargs: Any) -> Any:
        manager = made(*args, **kwargs)
        _watch(manager)
        return manager

    adapter.proxy_manager_for = proxy_manager_for  # type: ignore[method-assign]  # this one alone


def _watch(manager: Any) -> None:
    """Make a manager's connections watched ones; they keep what else is special about them."""
    watched = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        if issubclass(pool.ConnectionCls, _Watched):
            return  # an earlier poster had this session
        connection = type("WatchedConnection", (_Watched, pool.ConnectionCls), {})
        watched[scheme] = type("WatchedPool", (pool,), {"ConnectionCls": connection})
    manager.pool_classes_by_scheme = watched
