"""docs/architecture.md: the rooms that it draws are there, and so is each step of its journeys."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hokusai_mlflow_plugin"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DRAWING = PAGE.partition("## Layout")[2].partition("### Layers")[0]
JOURNEYS = PAGE.partition("## Two journeys")[2].partition("\n## ")[0]

_ROOM = re.compile(r"([a-z_]+(?:/|\.py))  ([0-9]+)\b")
_STEP = re.compile(r"^\| `([a-z_/]+\.py)` \| ((?:`[A-Za-z_.]+`(?:, )?)+) \|", re.MULTILINE)


def lines_of(path: Path) -> int:
    modules = path.rglob("*.py") if path.is_dir() else [path]
    return sum(len(module.read_text(encoding="utf-8").splitlines()) for module in modules)


def drawn(name: str) -> list[Path]:
    """What a name of the drawing stands for: rooms on two floors can have the same."""
    tops = [ROOT / name.rstrip("/")] if name in ("hokusai/", "migrations/") else []
    found = tops or [
        path for path in PACKAGE.rglob(name.rstrip("/")) if "__pycache__" not in str(path)
    ]
    return [path for path in found if path.is_dir() or path.suffix == ".py"]


def test_each_room_is_drawn_with_its_size() -> None:
    """Every folder is in the drawing, and no number is off by more than half."""
    rooms = _ROOM.findall(DRAWING)
    folders = {f"{path.name}/" for path in PACKAGE.rglob("*") if (path / "__init__.py").is_file()}
    assert folders <= {name for name, _size in rooms}
    for name, size in rooms:
        sizes = [lines_of(path) / 100 for path in drawn(name)]
        assert any(0.5 * int(size) - 1 <= each <= 1.5 * int(size) for each in sizes), (name, sizes)


def test_each_step_of_the_journeys_is_there() -> None:
    """A function that moved or was renamed moves in the table, too."""
    steps = _STEP.findall(JOURNEYS)
    assert len(steps) > 30
    for module, functions in steps:
        code = (PACKAGE / module).read_text(encoding="utf-8")
        for function in re.findall(r"`([^`]+)`", functions):
            for name in function.split("."):
                assert re.search(rf"^ *(def|class) {name}\b", code, re.MULTILINE), (module, name)


def test_each_subject_is_explained() -> None:
    """The rooms of services and db are those of the table of subjects."""
    table = PAGE.partition("### Subjects")[2].partition("## Two journeys")[0]
    named = set(re.findall(r"^\| `([a-z]+)/`", table, re.MULTILINE))
    floors = (PACKAGE / "services", PACKAGE / "db")
    rooms = {
        room.name
        for floor in floors
        for room in floor.iterdir()
        if (room / "__init__.py").is_file()
    }
    assert named == rooms
