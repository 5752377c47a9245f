"""Running commands as a shell does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from hokusai_mlflow_plugin.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """What it printed, as a machine reads it."""
        return json.loads(self.output)

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.output.splitlines()


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """Run ``hokusai-mlflow`` in this process; an unforeseen error is raised, not caught."""
    result = CliRunner().invoke(main, arguments, env=environ or {}, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)


def failed(done: Done, status: int = 1) -> str:
    """The one sentence with which a command refused; it printed nothing else.

    A usage error (status 2) also shows how the command is used.
    """
    assert done.status == status, done
    assert done.output == ""
    *usage, sentence = done.errors.splitlines()
    assert all(line.startswith(("Usage:", "Try ")) or not line for line in usage), done.errors
    assert bool(usage) == (status == 2)
    assert sentence.startswith("Error: ")
    return sentence.removeprefix("Error: ")
