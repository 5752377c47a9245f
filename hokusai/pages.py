"""The addresses of the registry's pages, where a server shows them."""

from __future__ import annotations

import html
from urllib.parse import quote, urlencode

from hokusai.mlflow_compat import active_workspace
from hokusai.transport import STORE_PREFIX, without_credentials

_ROOT = "/hokusai/"


def page_url(registry_uri: str, path: str = "", **parameters: str) -> str | None:
    """A page of the registry; None where the registry is a database, which serves none.

    Args:
        registry_uri: The registry.
        path: The page, such as ``token``; by default the list of tokens.
        parameters: Those of the page.
    """
    uri = registry_uri.removeprefix(STORE_PREFIX)
    if not uri.startswith(("http://", "https://")):
        return None
    workspace = active_workspace()
    given = {"workspace": workspace, **parameters} if workspace else parameters
    query = f"?{urlencode(given, quote_via=quote)}" if given else ""
    return without_credentials(uri).rstrip("/") + _ROOT + path + query


def link(url: str | None, text: str) -> str:
    """HTML that leads to a page; nothing where there is none."""
    if url is None:
        return ""
    return f'<p><a href="{html.escape(url)}" target="_blank" rel="noopener">{text}</a></p>'
