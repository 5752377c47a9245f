"""The pages in docs/: their examples run, their links lead somewhere, their addresses are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.blocks import Reader, comparable, examples
from eth_utils.address import to_checksum_address
from support.servers import mlflow_server

from hokusai_mlflow_plugin.domain.metric_catalogue import Direction
from hokusai_mlflow_plugin.metrics_file import read_metrics_file

ROOT = Path(__file__).parents[2]
TUTORIALS = ("tutorial", "deltaone-detection", "model-versioning", "ab-testing")
SPECIFICATION = ROOT / "docs" / "model-registry.md"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")})

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{40}\b")


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Someone who reads one page after the other, in one session."""
    folder = tmp_path_factory.mktemp("pages")
    with mlflow_server(folder) as server:
        reader = Reader(server.uri, server.database_uri, folder)
        try:
            yield reader
        finally:
            reader.close()


@pytest.mark.parametrize("name", TUTORIALS)
def test_examples_give_what_the_page_shows(reader: Reader, name: str) -> None:
    """What a reader copies works, and prints what the page says, ids and times apart."""
    found = examples(page(name))
    assert found
    for example in found:
        output = reader.run(example)
        assert comparable(output) == comparable(example.output), f"{name}.md, line {example.line}"


def test_the_metrics_file_can_be_used(tmp_path: Path) -> None:
    """The example of docs/settings.md is one that the server takes."""
    (example,) = re.findall(r"```toml\n(.*?)```", page("settings"), re.DOTALL)
    file = tmp_path / "metrics.toml"
    file.write_text(example, encoding="utf-8")
    found = read_metrics_file("HOKUSAI_METRICS_FILE", file)
    assert found["uplift"].direction is Direction.MAXIMIZE
    assert set(found) == {"uplift", "accuracy"}


def anchors(path: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub makes it of their text."""
    headings = _HEADING.findall(_FENCED.sub("", path.read_text(encoding="utf-8")))
    texts = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in texts}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link to a page of this project finds it, and the heading that it names."""
    lost = []
    for link in _LINK.findall(_FENCED.sub("", path.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        target, _hash, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("path", [p for p in PAGES if p != SPECIFICATION], ids=lambda p: p.name)
def test_addresses_have_a_right_checksum(path: Path) -> None:
    """A reader may copy one; only the specification is quoted as it is."""
    found = set(_ADDRESS.findall(path.read_text(encoding="utf-8")))
    assert {
        each for each in found if each not in (each.lower(), to_checksum_address(each))
    } == set()
