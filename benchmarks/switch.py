"""A TCP proxy whose target can be changed or taken away while connections go through it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 1 << 16


class Switch:
    """Passes connections on to one port of this machine, or to none."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._target: int | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def lead_to(self, target: int | None) -> None:
        """Cut what is connected; new connections go to that port, or are closed at once."""
        with self._lock:
            self._target = target
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Take connections until the listener is shut."""
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            target = self._target
            if target is None:
                return
            with socket.create_connection(("127.0.0.1", target)) as server:
                ends = {client, server}
                with self._lock:
                    if target != self._target:
                        return
                    self._open |= ends
                try:
                    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                    back.start()
                    _pump(client, server)
                    back.join()
                finally:
                    with self._lock:
                        self._open -= ends


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with suppress(OSError):
        # Both directions: a database that is gone answers nothing any more.
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def switching() -> Iterator[Switch]:
    """A switch that leads nowhere yet, until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        switch = Switch(listener)
        threading.Thread(target=switch.serve, daemon=True).start()
        try:
            yield switch
        finally:
            switch.lead_to(None)
            listener.shutdown(socket.SHUT_RDWR)
