"""docs/rewards.md: its story, from a typing error to its correction, is run as written (R19)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.blocks import Reader, comparable, examples
from support.servers import mlflow_server

from hokusai_mlflow_plugin.cli import main
from hokusai_mlflow_plugin.domain.reward_events import EventState

PAGE = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with mlflow_server(tmp_path) as server:
        reader = Reader(server.uri, server.database_uri, tmp_path)
        try:
            yield reader
        finally:
            reader.close()


def test_the_story(reader: Reader) -> None:
    """What the operator types works, and prints what the page says, ids and times apart."""
    story = examples(PAGE)
    assert len(story) == 8
    for example in story:
        output = reader.run(example)
        if example.language == "console":
            assert comparable(output) == comparable(example.output), f"line {example.line}"


def test_every_state_is_explained() -> None:
    """The table of states has each of them."""
    told = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert told == {each.value for each in EventState}


def test_its_commands_exist() -> None:
    """Each command that the page names is one."""
    groups = {
        name: set(group.commands)
        for name, group in main.commands.items()
        if hasattr(group, "commands")
    }
    named = re.findall(r"`(?:hokusai-mlflow )?(rewards|series) ([a-z]+)", PAGE)
    assert len(named) > 5
    assert [each for each in named if each[1] not in groups[each[0]]] == []
