"""docs/proof.md: its program checks what the commands write, and finds what was changed (R21)."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.blocks import examples
from support import prepared
from support.checkpoints import KEY, NEXT_KEY, STRANGERS_KEY, signed
from support.registry import VALUE, create_version, token_tags
from support.rewards import events
from support.tampering import all_faults, rewrite_history

from hokusai_mlflow_plugin.domain.checkpoints import read_checkpoint
from hokusai_mlflow_plugin.domain.signed_notes import PublicKey, open_note, read_public_key
from hokusai_mlflow_plugin.services.rewards.ledger_files import export_lines
from hokusai_mlflow_plugin.settings import _PARSERS

PAGE = (Path(__file__).parents[2] / "docs" / "proof.md").read_text(encoding="utf-8")
(PROGRAM,) = (each.source for each in examples(PAGE) if each.language == "python")
NOTE = re.findall(r"```text\n(hokusai-ledger.*?)```", PAGE, re.DOTALL)[0]
ONE, TWO = "0x" + 40 * "1", "0x" + 40 * "2"

on_sqlite = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(store: Any) -> Any:
    """A store with three events, the last after its checkpoint."""
    for value in ("0.80", "0.82", "0.84"):
        tags = token_tags(**{VALUE: value}, contributor_address=ONE, note="José 🎉")
        create_version(store, tags=tags)
    return store


def export(store: Any, folder: Path) -> Path:
    path = folder / "ledger.jsonl"
    with store.engine.connect() as connection:
        path.write_bytes(b"".join(export_lines(connection, "default")))
    return path


def check(ledger: Path, note: str, key: PublicKey = KEY.public) -> subprocess.CompletedProcess[str]:
    """Run the page's program."""
    path = ledger.with_name("note.txt")
    path.write_text(note, encoding="utf-8")
    return prepared.run(["-c", PROGRAM, str(ledger), str(path), str(key)])


def test_the_program_needs_cryptography_alone() -> None:
    """It is as short as it is said, and imports the standard library and one package."""
    lines = [line for line in PROGRAM.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith("#")]) <= 40
    imported = set()
    for node in ast.walk(ast.parse(PROGRAM)):
        if isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cryptography"}


@on_sqlite
def test_the_program_checks_a_ledger_that_has_grown(ledger: Any, tmp_path: Path) -> None:
    """One checkpoint, by either key of a rotation, and an export of later."""
    note = signed(ledger, KEY, NEXT_KEY).note
    create_version(ledger, tags=token_tags(**{VALUE: "0.90"}, contributor="José 🎉"))
    path = export(ledger, tmp_path)
    for key in (KEY, NEXT_KEY):
        done = check(path, note, key.public)
        assert done.stdout.startswith("3 events; the first 2 are those of hokusai-ledger/")
    assert check(path, note, STRANGERS_KEY.public).returncode != 0


@on_sqlite
def test_the_program_finds_a_rewrite_that_agrees_with_itself(ledger: Any, tmp_path: Path) -> None:
    """Who kept one checkpoint finds it, whatever the database says about itself."""
    kept = signed(ledger).note
    rewrite_history(ledger, TWO)
    assert all_faults(ledger) == ["checkpoint_differs"]
    done = check(export(ledger, tmp_path), kept)
    assert "the ledger is not what was signed" in done.stderr


CHANGES = {
    "an edit": (lambda lines: [lines[0].replace("0.82", "0.92"), *lines[1:]], "event 1 was edited"),
    "a gap": (lambda lines: lines[1:], "event 1 is gone"),
    "another order": (lambda lines: lines[::-1], "event 1 is gone"),
    "an end that is cut": (lambda lines: lines[:1], "not what was signed"),
    "nothing": (lambda lines: [], "not what was signed"),
}


@on_sqlite
@pytest.mark.parametrize("change", CHANGES)
def test_the_program_finds_changes_of_the_file(ledger: Any, tmp_path: Path, change: str) -> None:
    """An event that was edited, left out or moved, and an export that was cut."""
    edit, said = CHANGES[change]
    note = signed(ledger).note
    path = export(ledger, tmp_path)
    assert check(path, note).returncode == 0
    path.write_text("\n".join(edit(path.read_text().splitlines())))
    assert said in check(path, note).stderr


@on_sqlite
@pytest.mark.parametrize(
    "edit",
    [
        lambda note: note.replace("\n2\n", "\n1\n"),
        lambda note: note.replace("timestamp 1", "timestamp 2"),
        lambda note: note.partition("\n\n")[0] + "\n\n",
    ],
)
def test_the_program_finds_changes_of_the_note(ledger: Any, tmp_path: Path, edit: Any) -> None:
    """What is not signed as it is, is no checkpoint."""
    note = signed(ledger).note
    assert check(export(ledger, tmp_path), edit(note)).returncode != 0


def test_the_note_that_is_shown_is_one() -> None:
    """The page's note is signed by the page's key, and says what the page's output says."""
    (key,) = {
        read_public_key(each) for each in re.findall(r"registry\.example\+\w{8}\+[\w/]+", PAGE)
    }
    text, signers = open_note(NOTE, [key])
    assert signers == [key]
    found = read_checkpoint(text)
    assert f"{found.sequence} events, the last with hash {found.hash}." in PAGE


@on_sqlite
def test_an_export_is_what_the_feed_says(ledger: Any, tmp_path: Path) -> None:
    """Each line is an event as the feed has it."""
    lines = export(ledger, tmp_path).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == events(ledger)


def test_the_settings_that_it_names_exist() -> None:
    """No setting of the page is misspelt."""
    assert set(re.findall(r"HOKUSAI_[A-Z_]+", PAGE)) <= set(_PARSERS)
