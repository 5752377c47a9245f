"""What is shipped: the wheel, the sdist and the entry points."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from hokusai_mlflow_plugin.db.schema import migrations

ROOT = Path(__file__).parents[2]
SHIPPED = {
    "hokusai": "hokusai",
    "hokusai_mlflow_plugin": "hokusai_mlflow_plugin",
    "migrations": "hokusai_mlflow_plugin/migrations",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel built from the tree, and the one built from the sdist."""
    from_tree = _build(tmp_path_factory.mktemp("tree"), "--wheel")
    return from_tree, _build(tmp_path_factory.mktemp("sdist"))


def _build(folder: Path, *options: str) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, *options, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_holds_each_shipped_file_once_and_nothing_else(wheels: tuple[Path, Path]) -> None:
    """The wheel is the two packages, the migrations inside the plugin, and the metadata."""
    expected = {
        f"{target}/{path.relative_to(ROOT / source)}"
        for source, target in SHIPPED.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {name for name in _contents(wheels[0]) if ".dist-info/" not in name}
    assert found == expected
    assert {"hokusai/py.typed", "hokusai_mlflow_plugin/py.typed"} <= found


def test_sdist_builds_the_same_wheel(wheels: tuple[Path, Path]) -> None:
    """Whoever builds from the sdist gets the wheel that is built from the tree."""
    from_tree, from_sdist = wheels
    assert _contents(from_sdist) == _contents(from_tree)


def test_every_entry_point_leads_somewhere() -> None:
    """A name in the metadata that leads nowhere would only be noticed when a server starts.

    Loading an ``mlflow.app`` opens the server's stores: the acceptance tests start those by name.
    """
    entry_points = distribution("hokusai-mlflow-plugin").entry_points
    loaded = [point.load() for point in entry_points if point.group != "mlflow.app"]
    assert loaded
    assert all(callable(each) for each in loaded)


def test_migrations_of_a_checkout_are_the_ones_at_its_top() -> None:
    """An editable installation runs the scripts that are edited, not a copy of them."""
    assert migrations._scripts() == ROOT / "migrations"
    assert not (ROOT / "hokusai_mlflow_plugin" / "migrations").exists()
