"""Writes that come from a user's request, without a server."""

from __future__ import annotations

from typing import Any

from flask import Flask, g


class As:
    """The block's writes come from a user's request, as any plugin's authentication names him."""

    def __init__(self, user: str) -> None:
        self._context = Flask("test").test_request_context()
        self._user = user

    def __enter__(self) -> None:
        self._context.push()
        g.mlflow_authenticated_user = self._user

    def __exit__(self, *error: Any) -> None:
        self._context.pop()
