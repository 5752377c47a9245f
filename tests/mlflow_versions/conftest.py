"""The oldest supported MLflow, and MLflow's own commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import prepared
from support.databases import give_up

VARIABLE = "HOKUSAI_TEST_OLDEST_PYTHON"
TESTS = Path(__file__).parents[1]
DEFAULT = TESTS.parent / ".venv-oldest" / "bin" / "python"


@pytest.fixture(scope="session")
def oldest_python():
    """A Python that has the project with the oldest MLflow, as 'make test-oldest' installs it."""
    python = Path(os.environ.get(VARIABLE, DEFAULT))
    if not python.exists():
        give_up(str(python), f"Run 'make test-oldest', or set {VARIABLE}.")
    return str(python)


@pytest.fixture
def old_database_uri(empty_database_uri, oldest_python):
    """A database that the oldest MLflow made, with a registry that the plugin filled there."""
    filled = subprocess.run(
        [oldest_python, str(TESTS / "mlflow_versions" / "old_registry.py"), empty_database_uri],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert filled.stdout.startswith("3.10.")
    return empty_database_uri


@pytest.fixture
def mlflow_command(tmp_path):
    """Runs a command of MLflow's and returns what it printed: ``mlflow_command("db", "upgrade")``.

    Its prompts get no answer, and it does not see the tests' settings.
    """

    def run(*arguments: str, **environ: str) -> str:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
        done = prepared.run(
            ["-m", "mlflow", *arguments],
            cwd=tmp_path,
            env={**own, "MLFLOW_DISABLE_TELEMETRY": "true", **environ},
            merged=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run
