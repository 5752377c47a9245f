"""The README's examples, run in order against a fresh server."""

from __future__ import annotations

from pathlib import Path

from docs.blocks import Reader, comparable, examples
from support.servers import mlflow_server

from hokusai_mlflow_plugin.settings import _PARSERS
from hokusai_mlflow_plugin.web.api.routes import ROUTES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_examples_give_what_the_readme_shows(tmp_path: Path) -> None:
    """What a reader copies works, and prints what the README says, ids and times apart."""
    with mlflow_server(tmp_path) as server:
        reader = Reader(server.uri, server.database_uri, tmp_path)
        try:
            printed = {example: reader.run(example) for example in examples(README)}
        finally:
            reader.close()
    for example, output in printed.items():
        assert comparable(output) == comparable(example.output), f"README.md, line {example.line}"


def test_each_route_is_shown_with_curl() -> None:
    """A route that the README does not show is one that nobody finds."""
    shown = " ".join(example.source for example in examples(README))
    assert [route.path for route in ROUTES if f"/hokusai/{route.path}" not in shown] == []


def test_each_setting_is_documented() -> None:
    """Every setting has its row in the README's table."""
    assert [name for name in _PARSERS if f"| `{name}` |" not in README] == []
