"""A small HTTP proxy: tunnels and plain requests, to one server whatever they name."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Where it listens, and the first line and headers of each request that it heard."""

    port: int
    heard: list[str] = field(default_factory=list)
    refusal: bytes = b""
    """What it answers instead, where it lets nobody through."""


@contextmanager
def proxying(target_port: int) -> Iterator[Proxy]:
    """Pass everything on to a port of this machine, until the block ends."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with suppress(OSError), client:
            head = client.recv(65536)
            proxy.heard.append(head.decode("latin-1"))
            if proxy.refusal:
                client.sendall(proxy.refusal)
                return
            with socket.create_connection(("127.0.0.1", target_port)) as server:
                if head.startswith(b"CONNECT "):
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                else:
                    server.sendall(head)
                threading.Thread(target=pump, args=(server, client), daemon=True).start()
                pump(client, server)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])
        threading.Thread(target=serve, daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
