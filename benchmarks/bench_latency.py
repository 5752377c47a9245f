"""A database that is farther away: a TCP proxy before it that takes a while for each round trip."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

ROUND_TRIP_MS = 1
"""What benchmarks add to each."""
_CHUNK = 1 << 20
_DEFAULT_PORT = 5432


@contextmanager
def farther(uri: str, round_trip_ms: float) -> Iterator[str]:
    """URI of the same database through a proxy in a process of its own, until the block ends.

    Args:
        uri: A PostgreSQL database on a TCP port.
        round_trip_ms: What each round trip takes longer.
    """
    url = make_url(uri)
    target = (url.host or "127.0.0.1", str(url.port or _DEFAULT_PORT), str(round_trip_ms))
    command = [sys.executable, __file__, *target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        finally:
            process.terminate()


async def _serve(host: str, port: int, round_trip_s: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(host, port)
        for each in (writer, to_server):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(
            # All of it on the way there: who asks waits for the answer before he asks again.
            _pump(reader, to_server, round_trip_s),
            _pump(from_server, writer, 0),
        )

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    clock = asyncio.get_running_loop().time
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(max(due - clock(), 0))
            if not data:
                writer.close()
                return
            writer.write(data)

    arriving = asyncio.create_task(arrive())
    data = b"begin"
    while data:
        data = await reader.read(_CHUNK)
        # Each takes as long, and none waits for the one before: a driver may send several at once.
        on_the_way.put_nowait((clock() + delay_s, data))
    await arriving


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
