"""The protections that ``benchmarks/stress_sabotage.py`` takes away are there to be taken away."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _sabotages() -> Any:
    spec = importlib.util.spec_from_file_location("sabotages", ROOT / "benchmarks/sabotages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclass
    spec.loader.exec_module(module)
    return module


SABOTAGES = _sabotages().SABOTAGES


@pytest.mark.parametrize("name", SABOTAGES)
def test_what_is_taken_away_is_there(name: str) -> None:
    """Each text is in its file once, what takes its place is Python, and the test exists."""
    for file, whole, broken in SABOTAGES[name].edits:
        text = (ROOT / "hokusai_mlflow_plugin" / file).read_text()
        assert text.count(whole) == 1, (file, whole)
        compile(text.replace(whole, broken), file, "exec")
    path, _, test = SABOTAGES[name].test.partition("::")
    if path:
        assert f"def {test}" in (ROOT / path).read_text()


def test_they_are_documented() -> None:
    """docs/development.md names each of them."""
    page = (ROOT / "docs/development.md").read_text()
    assert [name for name in SABOTAGES if f"`{name}`" not in page] == []
