"""Pages as a browser gets them, made of a query's answer without a server."""

from __future__ import annotations

from typing import Any

from hokusai_mlflow_plugin.web.pages.assets import all_assets
from hokusai_mlflow_plugin.web.pages.links import Links
from hokusai_mlflow_plugin.web.pages.pages import PAGES
from hokusai_mlflow_plugin.web.pages.rendering import render

LINKS = Links("/hokusai/", {asset.name: asset.path for asset in all_assets()})


def document(path: str, answer: Any, *, is_admin: bool = True, **given: Any) -> str:
    """The HTML of a page on what its query answered."""
    (page,) = (each for each in PAGES if each.path == path)
    parameters = {**dict.fromkeys(page.parameters.model_fields), "over": "order", **given}
    told = {"parameters": parameters, "here": path, "is_admin": is_admin, "workspaces": ()}
    shown = page.view(answer, parameters, LINKS)
    return render(page.template, links=LINKS, **told, **shown)
