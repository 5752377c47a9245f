"""URIs of servers and stores: which is the same as which, and what may be told of one."""

from __future__ import annotations

from urllib.parse import urlsplit

SERVER_PREFIX = "hokusai+"
_SERVERS = ("http", "https")
_PORTS = {"http": 80, "https": 443}
_SHARED_SCHEMES = frozenset(("s3", "gs", "wasbs", "abfss", "dbfs", "hdfs"))
"""Of storage that others can be expected to reach (R16)."""


def is_server(uri: str) -> bool:
    """Whether a URI is that of a server, spoken to over REST."""
    return _scheme(uri) in _SERVERS


def is_reaching(uri: str) -> bool:
    """Whether a registry URI asks for models to be registered from anywhere."""
    return uri.startswith(SERVER_PREFIX) and is_server(uri.removeprefix(SERVER_PREFIX))


def reaching(uri: str) -> str:
    """The URI of a server under which models are registered from anywhere."""
    return uri if uri.startswith(SERVER_PREFIX) else SERVER_PREFIX + uri


def server_address(uri: str) -> str:
    """The ``http(s)`` URI of a server, without a slash at its end."""
    return uri.removeprefix(SERVER_PREFIX).rstrip("/")


def is_same_server(one: str, other: str) -> bool:
    """Whether two URIs are one server's; two names of one machine are not seen to be."""
    return is_server(one) and is_server(other) and _identity(one) == _identity(other)


def is_shared(artifact_uri: str) -> bool:
    """Whether files are in storage that the registry's users can be expected to reach."""
    return _scheme(artifact_uri) in _SHARED_SCHEMES


def shown(uri: str) -> str:
    """A URI as it may be written down for everyone: no user, no password, no parameters.

    What stands before the last ``@`` of a URI with an authority goes, as passwords may hold a
    slash.
    """
    bare = uri.partition("?")[0].partition("#")[0]
    scheme, separator, rest = bare.partition("://")
    if separator and not rest.startswith("/"):
        rest = rest.rpartition("@")[2]
    return scheme + separator + rest


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme.lower()


def _identity(uri: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(uri)
    scheme = parts.scheme.lower()
    return (
        scheme,
        (parts.hostname or "").lower(),
        parts.port or _PORTS.get(scheme),
        parts.path.rstrip("/"),
    )
