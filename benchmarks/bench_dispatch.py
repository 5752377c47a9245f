"""Delivering reward events to a receiver on this machine: one dispatcher, four, the posts alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from bench_databases import tokenised
from bench_timing import Figure
from seed import gather_statistics

from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver
from hokusai_mlflow_plugin.store.registry_store import build_store

SECRET = "whsec_" + 43 * "S" + "="
EVENTS = 1_000


def measure(database: str, uri: str, versions: int) -> list[Figure]:
    """Events per second of one dispatcher."""
    store: Any = build_store(f"hokusai+{uri}")
    with receiving() as url:
        receiver = Receiver(url, [SECRET])
        Dispatcher(store.engine, receiver, RetryPolicy(), requests.Session()).deliver_due()
        earn(store, EVENTS)
        gather_statistics(store.engine)
        dispatcher = Dispatcher(store.engine, receiver, RetryPolicy(), requests.Session())
        begin = time.perf_counter()
        made = dispatcher.deliver_due()
        ours = made / (time.perf_counter() - begin)
        assert made == EVENTS
        with requests.Session() as session:
            begin = time.perf_counter()
            for _post in range(EVENTS):
                session.post(url, data=1_500 * b"x")
            bare = EVENTS / (time.perf_counter() - begin)
        four = _side_by_side(store, uri, url)
    what = "deliver reward events"
    return [
        Figure(database, versions, f"{what}, one dispatcher", "bare posts", ours, bare, "req/s"),
        Figure(database, versions, f"{what}, four dispatchers", "one", four, ours, "req/s"),
    ]


def _side_by_side(store: Any, uri: str, url: str) -> float:
    """Events per second of four dispatchers, each a process as an operator starts them."""
    command = [sys.executable, __file__, uri, url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _process in range(4)]
    try:
        for process in processes:
            process.stdout.readline()  # it is ready
        earn(store, 2 * EVENTS)
        gather_statistics(store.engine)
        begin = time.perf_counter()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        made = sum(int(process.stdout.readline()) for process in processes)
        seconds = time.perf_counter() - begin
    finally:
        for process in processes:
            process.communicate()
    assert made == 2 * EVENTS
    return made / seconds


def _dispatch(uri: str, url: str) -> None:
    """Deliver what is due once a line is read; say when ready, and then how much it was."""
    store: Any = build_store(f"hokusai+{uri}")
    dispatcher = Dispatcher(
        store.engine, Receiver(url, [SECRET]), RetryPolicy(), requests.Session()
    )
    dispatcher.deliver_due()
    print("ready", flush=True)
    sys.stdin.readline()
    print(dispatcher.deliver_due(), flush=True)


def earn(store: Any, count: int) -> None:
    """Leave so many events, each a DeltaOne of one series."""
    run = uuid.uuid4().hex[:8]
    store.create_registered_model(f"dispatch-{run}")
    for step in range(count + 1):
        tags = tokenised(f"D-{run}".upper(), str(10**6 - step), "mae")
        store.create_model_version(f"dispatch-{run}", "s3://bucket/model", tags=tags)


@contextmanager
def receiving() -> Iterator[str]:
    """URL of a receiver in a process of its own, which takes everything."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/hook"
        finally:
            process.terminate()


async def _receive() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _dispatch(*sys.argv[1:])
    else:
        asyncio.run(_receive())
