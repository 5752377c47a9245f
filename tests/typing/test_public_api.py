"""The public API as a user's own ``mypy --strict`` sees it: the installed package, no settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed here.")
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of both scripts, in a folder where nothing else is.

    What it finds out about MLflow is kept for the next run.
    """
    assert request.config.cache is not None
    known = request.config.cache.mkdir("users-mypy")
    folder = tmp_path_factory.mktemp("user")
    for script in ("user.py", "mistakes.py"):
        shutil.copyfile(HERE / script, folder / script)
    options = ["--strict", "--config-file=", "--cache-dir", str(known), "--no-error-summary"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "user.py", "mistakes.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_types_are_those_that_the_documentation_names(found: list[str]) -> None:
    """Each answer has its own type, none is ``Any``, and nothing right is complained about."""
    assert [line for line in found if not line.startswith("mistakes.py")] == []


def test_mistakes_are_found(found: list[str]) -> None:
    """A wrong argument, a misspelt method, a None that was forgotten: each on its own line."""
    lines = (HERE / "mistakes.py").read_text().splitlines()
    expected = {
        (number, named[1])
        for number, line in enumerate(lines, 1)
        if (named := re.search(r"# ([a-z-]+)$", line))
    }
    errors = (re.match(r"mistakes.py:(\d+): error: .*\[([a-z-]+)\]$", line) for line in found)
    assert {(int(error[1]), error[2]) for error in errors if error} == expected
