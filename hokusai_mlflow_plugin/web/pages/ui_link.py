"""The entry in the menu of MLflow's own UI (``HOKUSAI_UI_LINK``): one script beside MLflow's."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, request
from markupsafe import escape

from hokusai_mlflow_plugin.web.pages.assets import all_assets

_END = b"</head>"


def add_to_ui(app: Flask, ui_path: str, root: str) -> None:
    """Have the first page of MLflow's UI load the script that adds the entry.

    Args:
        app: MLflow's Flask app.
        ui_path: Where its UI is, with a slash at its end.
        root: Where our pages are.
    """
    paths = {asset.name: root + asset.path for asset in all_assets()}
    script = (
        f'<script src="{escape(paths["menu.js"])}" data-icon="{escape(paths["mark.svg"])}" defer>'
    )
    app.after_request(_with_script(ui_path, f"{script}</script>".encode()))


def _with_script(ui_path: str, script: bytes) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        if (
            request.path != ui_path
            or response.mimetype != "text/html"
            or response.status_code != HTTPStatus.OK
        ):
            return response
        response.direct_passthrough = False  # MLflow sends the file as it is
        body = response.get_data()
        if body.count(_END) == 1:
            response.set_data(body.replace(_END, script + _END))
            # They are those of the file: a browser that has it would be told that nothing changed.
            for name in ("ETag", "Last-Modified"):
                response.headers.pop(name, None)
        return response

    return add
