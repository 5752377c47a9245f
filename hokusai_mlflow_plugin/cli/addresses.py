"""Whether a server can have its address."""

from __future__ import annotations

import errno
import os
import socket

from hokusai_mlflow_plugin.domain.errors import SettingsError


def require_free(host: str, port: int) -> None:
    """Refuse an address that a web server could not listen on.

    Asked before anything is imported or migrated: the web server itself would find out after all
    that.

    Raises:
        SettingsError: Somebody else listens there, or it is no address of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # a connection that has just ended is in nobody's way
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"Port {port} of {host} is in use, perhaps by another server. Stop that one, or "
                f"choose another port: --port {port + 1}."
            ) from None
        raise SettingsError(
            f"A server cannot listen on {host}, port {port}: {error.strerror or error}."
        ) from None
