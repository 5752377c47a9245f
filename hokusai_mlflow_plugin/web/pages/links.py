"""Addresses: of the pages, of their assets, and of MLflow's own pages beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from hokusai_mlflow_plugin.web.server import PAGES_ROOT

_quote = lru_cache(1000)(quote)  # a page has hundreds of links, which name a few models


@dataclass(frozen=True)
class Links:
    """Addresses on one server, inside one workspace.

    They begin with a slash, so that they hold under every host name that the server is reached by.
    """

    root: str
    """Of the pages, with a slash at both ends."""
    assets: Mapping[str, str]
    """The address of each asset by its name."""
    workspace: str | None = None
    """Of which the pages are, where the server has several."""

    def page(self, path: str = "", **parameters: Any) -> str:
        """A page; parameters that are None, or empty, are left out."""
        given = {"workspace": self.workspace, **parameters}
        query = "&".join(
            f"{key}={_quote(str(value), safe='')}"
            for key, value in given.items()
            if value not in (None, "")
        )
        return self.root + path + (f"?{query}" if query else "")

    def of_workspace(self, name: str) -> str:
        """The tokens of another workspace."""
        return self.page(workspace=name)

    def token(self, token_id: str, **parameters: Any) -> str:
        return self.page("token", token_id=token_id, **parameters)

    def model(self, name: str, **parameters: Any) -> str:
        return self.page("model", name=name, **parameters)

    def version(self, name: str, version: str | int, **parameters: Any) -> str:
        return self.page("version", name=name, version=version, **parameters)

    def event(self, event_id: str) -> str:
        return self.page("event", id=event_id)

    def asset(self, name: str) -> str:
        return self.assets[name]

    def mlflow(self, *parts: str | int) -> str:
        """A page of MLflow's own, e.g. ``mlflow("models", name, "versions", 3)``."""
        path = "/".join(quote(str(part), safe="") for part in parts)
        query = f"?{urlencode({'workspace': self.workspace})}" if self.workspace else ""
        return f"{self.root.removesuffix(PAGES_ROOT)}/#/{path}{query}"
