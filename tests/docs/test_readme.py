"""The README: its examples run, and it stays short."""

from __future__ import annotations

from pathlib import Path

from docs.blocks import Reader, comparable, examples
from support.servers import mlflow_server

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


def test_it_is_short() -> None:
    """A first screen, one example, and links to the rest."""
    assert README.count("\n") <= 250
