"""How the web server treats a connection that stays open: each answer leaves at once.

With several workers uvicorn accepts on a socket that was bound without a protocol number, and
asyncio sets ``TCP_NODELAY`` only where there is one (``base_events._set_nodelay``, Python 3.10 to
3.14). The second packet of each answer then waits for the delayed acknowledgement of the first: 40
ms. uvloop sets the option always; this is for where it is missing, or another loop was asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_VARIABLE = "UVICORN_HTTP"


class PromptProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # chosen as it is imported
    """uvicorn's own protocol, on sockets that do not wait for acknowledgements."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


def answer_at_once() -> None:
    """Have a uvicorn that this process starts use the protocol, unless another one was asked for.

    uvicorn reads each of its options from the environment, too.
    """
    os.environ.setdefault(_VARIABLE, f"{__name__}:{PromptProtocol.__name__}")
