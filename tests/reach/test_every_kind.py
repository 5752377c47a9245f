"""Every function under every kind of tracking, as docs/operations.md says in a table (R16, R17).

With ``HOKUSAI_TEST_WRITE_TABLE=true`` what was found is written into the page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from reach.functions import FUNCTIONS, Made, is_loaded, outcome
from reach.kinds import KINDS
from support.iris import log_iris_model
from support.servers import Server

from hokusai.core import ModelRegistry

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_TABLE = re.compile(r"^\| function \|.*\n(?:\|.*\n)+", re.MULTILINE)


def table() -> dict[str, list[str]]:
    """The table of the page: the header under ``function``, then one row for each function."""
    (found,) = _TABLE.findall(PAGE.read_text(encoding="utf-8"))
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found.splitlines()]
    return {row[0]: row[1:] for row in rows if not row[0].startswith("---")}


def write_column(kind: str, found: dict[str, str]) -> None:
    """Put what was found under one kind into the page."""
    kinds = list(KINDS)
    cells = {name: table().get(name, ["?"] * len(kinds)) for name in FUNCTIONS}
    for name, cell in found.items():
        cells[name][kinds.index(kind)] = cell
    rows = [["function", *kinds], ["---"] * (len(kinds) + 1)]
    rows += [[name, *row] for name, row in cells.items()]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("| --- ", "|---")
    text = text.replace("|--- |", "|---|").replace("--- |", "---|")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _old: text, page), encoding="utf-8")


@pytest.mark.timeout(900)  # nine models are logged, registered and loaded again
@pytest.mark.parametrize("kind", KINDS)
def test_functions(
    registry_server: Server,
    laptop: Path,
    new_name: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Each function registers, tokenises and loads as the table says."""
    registry = MlflowClient(registry_uri=registry_server.uri)
    found: dict[str, str] = {}
    with KINDS[kind](tmp_path_factory.mktemp("tracking"), registry_server, monkeypatch):
        made = Made(log_iris_model(), new_name)
        mlflow.MlflowClient().log_metric(made.run.run_id, "accuracy", 0.9)
        for function, register in FUNCTIONS.items():
            name = register(made)
            asking = ModelRegistry(registry_server.uri, registry_server.uri)
            found[function] = outcome(registry.get_model_version(name, "1"), asking)
        assert is_loaded(name, made, laptop)
    print(kind, found, sep="\n")
    if os.environ.get("HOKUSAI_TEST_WRITE_TABLE") == "true":
        write_column(kind, found)
    header, column = table()["function"], {k: v for k, v in table().items() if k != "function"}
    assert {name: row[header.index(kind)] for name, row in column.items()} == found
