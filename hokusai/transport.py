"""How the client asks a registry: over REST, or through the store in this process.

Both give the same answers to the same routes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import entry_points
from typing import Any, Protocol
from urllib.parse import urlsplit

from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.utils.rest_utils import http_request, verify_rest_response
from mlflow.utils.uri import get_uri_scheme

from hokusai.arguments import text
from hokusai.errors import NotTokenAware
from hokusai.mlflow_compat import open_store, require_workspace_support
from hokusai.reach.addresses import is_reaching, is_same_server, is_server, reaching

ROOT = "/api/2.0/hokusai/"
STORE_PREFIX = "hokusai+"
_PAGE_SIZE = 1000
"""The most that a registry gives at once."""
_HOW_TO_SERVE = (
    "'hokusai-mlflow server' starts one that is token-aware; so does 'mlflow server --app-name "
    "hokusai --registry-store-uri hokusai+DATABASE_URI'."
)

Json = dict[str, Any]


class Transport(Protocol):
    """Puts a query to a registry, by the path of its REST route."""

    def get(self, route: str, **parameters: Any) -> Json:
        """The answer of a GET route."""

    def post(self, route: str, **parameters: Any) -> Json:
        """The answer of a POST route."""


class StoreTransport:
    """Asks a token-aware store in this process."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, route: str, **parameters: Any) -> Json:
        answer: Json = self._store.answer(route, **parameters)
        return answer

    # In process there is one way to ask; GET and POST are HTTP's.
    post = get


class RestTransport:
    """Asks a server, with the credentials, TLS settings and workspace of MLflow's own requests."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, route: str, **parameters: Any) -> Json:
        given = {
            name: _text(name, value) for name, value in parameters.items() if value is not None
        }
        return self._request("GET", route, params=given)

    def post(self, route: str, **parameters: Any) -> Json:
        return self._request("POST", route, json=parameters)

    def _request(self, method: str, route: str, **arguments: Any) -> Json:
        # MLflow's own requests do so, too. A server without workspaces ignores the header that
        # names one, and would answer from its only one.
        require_workspace_support(self._store)
        credentials = self._store.get_host_creds()
        response = http_request(credentials, ROOT + route, method, **arguments)
        body = _json_object(response.text)
        if _is_foreign(response.status_code, body):
            raise NotTokenAware(
                f"The MLflow server at {without_credentials(credentials.host)} does not have the "
                f"Hokusai plugin: {method} {ROOT}{route} gave HTTP {response.status_code}. "
                f"{_HOW_TO_SERVE}"
            )
        verify_rest_response(response, ROOT + route)
        return body or {}


def store_uri(registry_uri: str, tracking_uri: str) -> str:
    """The URI under which MLflow opens a registry with the token rules enforced.

    A database is opened through the plugin's store. A server speaks for itself; where it is not
    the tracking server, what is registered is found there first (R16).

    Raises:
        NotTokenAware: The registry cannot be token-aware.
    """
    scheme = get_uri_scheme(registry_uri)
    if scheme in DATABASE_ENGINES:
        return _of_database(registry_uri)
    if is_server(registry_uri) and not is_same_server(registry_uri, tracking_uri):
        return reaching(registry_uri)
    if is_server(registry_uri) or registry_uri.startswith(STORE_PREFIX):
        return registry_uri
    raise NotTokenAware(
        f"The registry {without_credentials(registry_uri)!r} cannot be token-aware: it is neither "
        "a database nor a server. Set MLFLOW_REGISTRY_URI (or MLFLOW_TRACKING_URI) to a database "
        f"such as sqlite:///mlflow.db, or to a server. {_HOW_TO_SERVE}"
    )


def _of_database(registry_uri: str) -> str:
    """The plugin's URI of a database; MLflow's own message would not name the drivers."""
    database = registry_uri.partition(":")[0]
    known = sorted(
        entry.name.removeprefix(STORE_PREFIX)
        for entry in entry_points(group="mlflow.model_registry_store")
        if entry.name.startswith(STORE_PREFIX) and not is_reaching(f"{entry.name}://")
    )
    if database not in known:
        raise NotTokenAware(
            f"MLflow cannot keep a registry in {database!r}. Use one of {', '.join(known)}."
        )
    return STORE_PREFIX + registry_uri


def open_transport(registry_uri: str, tracking_uri: str) -> Transport:
    """The transport to a registry, by its :func:`store_uri`."""
    store = open_store(registry_uri, tracking_uri)
    return RestTransport(store) if is_remote(registry_uri) else StoreTransport(store)


def is_remote(registry_uri: str) -> bool:
    """Whether a registry, by its :func:`store_uri`, is a server's."""
    return bool(is_server(registry_uri) or is_reaching(registry_uri))


def every(transport: Transport, route: str, key: str, **parameters: Any) -> Iterator[Json]:
    """The items under ``key`` of all pages of a GET route."""
    page_token: str | None = None
    while True:
        answer = transport.get(route, max_results=_PAGE_SIZE, page_token=page_token, **parameters)
        yield from answer[key]
        page_token = answer.get("next_page_token")
        if not page_token:
            return


def _text(name: str, value: Any) -> str:
    """A query parameter as the routes take it: truth in JSON's words."""
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, int) else text(name, value)


def _json_object(body_text: str) -> Json | None:
    try:
        body = json.loads(body_text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_foreign(status: int, body: Json | None) -> bool:
    """Whether an answer cannot come from our routes: a page for people, or another error body."""
    if status == HTTPStatus.OK:
        return body is None
    unknown_path = status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
    return unknown_path and "error_code" not in (body or {})


def without_credentials(url: str) -> str:
    """A URI that may be shown."""
    address = urlsplit(url).netloc
    return url.replace(address, address.rpartition("@")[2], 1) if "@" in address else url
