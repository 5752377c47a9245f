"""``rewards keygen``, ``checkpoint``, ``export`` and ``verify`` (R21)."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cli.commands import Done, failed, run
from support.checkpoints import KEY, NEXT_KEY, STRANGERS_KEY, signed
from support.damage import run_sql
from support.registry import VALUE, create_version, token_tags
from support.rewards import events
from support.tampering import rewrite_history

from hokusai_mlflow_plugin.domain.signed_notes import open_note, read_public_key
from hokusai_mlflow_plugin.services.queries.checkpoints import get_checkpoint
from hokusai_mlflow_plugin.services.rewards import ledger_files
from hokusai_mlflow_plugin.services.rewards.ledger import FIRST_HASH, event_hash
from hokusai_mlflow_plugin.services.rewards.ledger_files import FileCheck

ONE, TWO = "0x" + 40 * "1", "0x" + 40 * "2"
SIGNING = {"HOKUSAI_CHECKPOINT_KEYS": KEY.secret_text}
KNOWN = {"HOKUSAI_CHECKPOINT_PUBLIC_KEYS": str(KEY.public)}

on_sqlite = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)


def earn(store: Any, *values: str) -> None:
    for value in values:
        create_version(store, tags=token_tags(**{VALUE: value}, contributor_address=ONE))


@pytest.fixture
def earned(store: Any) -> Any:
    """A store with two events."""
    earn(store, "0.5", "0.6", "0.7")
    return store


def checkpoint(uri: str, *options: str, **environ: str) -> Done:
    return run("rewards", "checkpoint", uri, *options, environ={**SIGNING, **environ})


def codes(done: Done) -> list[tuple[int, str]]:
    return [(fault["sequence"], fault["code"]) for fault in done.json["faults"]]


def test_keygen(folder: Path) -> None:
    """The key is its owner's alone, and never written over; the public one is shown."""
    done = run("rewards", "keygen", "registry.example", "--file", "a.key")
    public = read_public_key(done.output.strip())
    assert public.name == "registry.example"
    assert stat.S_IMODE((folder / "a.key").stat().st_mode) == 0o600
    text = (folder / "a.key").read_text()
    message = failed(run("rewards", "keygen", "registry.example", "--file", "a.key"))
    assert "never written over" in message
    assert (folder / "a.key").read_text() == text
    assert text.strip() not in done.output
    assert "characters without blanks" in failed(run("rewards", "keygen", "a b", "--file", "b"))
    assert not (folder / "b").exists()


@on_sqlite
def test_a_key_from_a_file_or_a_variable(earned: Any, database_uri: str, folder: Path) -> None:
    """The variable holds the key itself, or names its file; two keys sign during a rotation."""
    (folder / "keys").write_text(f"{NEXT_KEY.secret_text}\n{KEY.secret_text}\n")
    first = checkpoint(database_uri, "--output", "json").json["checkpoints"]
    assert [each["public_keys"] for each in first] == [[str(KEY.public)]]
    both = checkpoint(database_uri, "--output", "json", HOKUSAI_CHECKPOINT_KEYS="keys").json
    assert both["checkpoints"][0]["public_keys"] == [str(NEXT_KEY.public), str(KEY.public)]


@on_sqlite
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "neither a signing key"),
        ("no/such/file", "neither a signing key"),
        (KEY.secret_text[:-3], "NAME+ID+BASE64"),
        (KEY.secret_text.replace("example", "sample"), "does not fit its own id"),
        (" ".join([KEY.secret_text] * 3), "or two during a rotation"),
    ],
)
def test_a_key_that_cannot_be_used(earned: Any, database_uri: str, value: str, said: str) -> None:
    """A sentence says so, and does not repeat the key."""
    message = failed(checkpoint(database_uri, HOKUSAI_CHECKPOINT_KEYS=value))
    assert said in message
    assert "AAAAAAAA" not in message
    assert (
        not earned.engine.connect()
        .exec_driver_sql("SELECT count(*) FROM hokusai_reward_checkpoints")
        .scalar()
    )


@on_sqlite
def test_without_a_key(earned: Any, database_uri: str) -> None:
    """What is missing is named, with the command that makes it."""
    message = failed(run("rewards", "checkpoint", database_uri))
    assert "HOKUSAI_CHECKPOINT_KEYS" in message
    assert "keygen" in message


def test_signing(store: Any, database_uri: str) -> None:
    """The end of a ledger is signed once; before its first event there is nothing to sign."""
    assert checkpoint(database_uri).lines == ["No ledger has an event yet."]
    earn(store, "0.5", "0.6")
    assert checkpoint(database_uri).lines[0].endswith("signed.")
    assert "default: 1 event, the last with hash" in checkpoint(database_uri).output
    assert "as signed on" in checkpoint(database_uri).output
    found = store.ask(get_checkpoint)["checkpoint"]
    assert (found["sequence"], found["hash"]) == (1, events(store)[0]["hash"])
    assert run("rewards", "verify", database_uri, environ=KNOWN).status == 0


@on_sqlite
def test_a_directory(earned: Any, database_uri: str, folder: Path) -> None:
    """The newest note is kept outside of the database, and holds the next ones to account."""
    kept = folder / "kept"
    kept.mkdir()
    assert checkpoint(database_uri, "--directory", "kept").status == 0
    note = kept / "default.txt"
    assert open_note(note.read_text(encoding="utf-8"), [KEY.public])[1] == [KEY.public]
    assert [path.name for path in kept.iterdir()] == ["default.txt"]
    earn(earned, "0.8")
    assert checkpoint(database_uri, "--directory", "kept").status == 0
    text = note.read_text(encoding="utf-8")
    assert text == earned.ask(get_checkpoint)["checkpoint"]["note"]
    # All that the database knows of checkpoints is gone; the file still knows.
    run_sql(earned, "DELETE FROM hokusai_reward_checkpoints")
    run_sql(earned, "DELETE FROM hokusai_state WHERE value = 'checkpoint'")
    rewrite_history(earned, TWO)
    assert run("rewards", "verify", database_uri).status == 0
    message = failed(checkpoint(database_uri, "--directory", "kept"))
    assert "was rewritten" in message
    assert note.read_text(encoding="utf-8") == text
    assert checkpoint(database_uri).status == 0  # who kept nothing knows nothing


@on_sqlite
def test_a_directory_during_a_rotation(earned: Any, database_uri: str, folder: Path) -> None:
    """A note of a key that is retired is taken where that key is named."""
    (folder / "kept").mkdir()
    assert checkpoint(database_uri, "--directory", "kept").status == 0
    new = {"HOKUSAI_CHECKPOINT_KEYS": NEXT_KEY.secret_text}
    message = failed(checkpoint(database_uri, "--directory", "kept", **new))
    assert "HOKUSAI_CHECKPOINT_PUBLIC_KEYS" in message
    assert checkpoint(database_uri, "--directory", "kept", **new, **KNOWN).status == 0
    assert checkpoint(database_uri, "--directory", "kept", **new).status == 0


def test_it_goes_on_until_a_ledger_is_rewritten(earned: Any, database_uri: str) -> None:
    """With --every it signs what is new, and ends with a sentence where there is a rewrite."""
    command = [str(Path(sys.executable).with_name("hokusai-mlflow")), "rewards", "checkpoint"]
    process = subprocess.Popen(
        [*command, database_uri, "--every", "0.1"],
        env={**os.environ, **SIGNING},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "default: 2 events" in line:
                break
        earn(earned, "0.8")
        for line in process.stderr:
            if "default: 3 events" in line:
                break
        rewrite_history(earned, TWO)
        assert "was rewritten" in process.stderr.read()
        assert process.wait() == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def export(uri: str, path: str = "ledger.jsonl") -> Path:
    done = run("rewards", "export", uri, "--file", path)
    assert done.status == 0, done
    return Path(path)


def test_export_and_offline_check(earned: Any, database_uri: str, folder: Path) -> None:
    """What is exported is the feed, line by line, and is checked with nothing but the file."""
    path = export(database_uri)
    assert [json.loads(line) for line in path.read_text().splitlines()] == events(earned)
    answer = earned.ask(get_checkpoint) if signed(earned) else None
    (folder / "kept.json").write_text(json.dumps(answer))
    (folder / "note.txt").write_text(answer["checkpoint"]["note"], encoding="utf-8")
    earned.engine.dispose()
    verify = ("rewards", "verify", "--file", str(path))
    last = events(earned)[-1]["hash"]
    assert run(*verify).lines == [f"The file is intact: 2 events, the last with hash {last}."]
    for options in (
        ("--checkpoint", "kept.json"),
        ("--checkpoint", "kept.json", "--public-key", str(KEY.public)),
        ("--checkpoint", "note.txt", "--public-key", str(KEY.public)),
    ):
        done = run(*verify, *options)
        assert done.status == 0, done
        assert done.lines[1].startswith("It goes on from the checkpoint of 2 events")
    assert run(*verify, "--checkpoint", "note.txt", environ=KNOWN).status == 0
    assert run(*verify, "--output", "json").json == {"faults": []}


@on_sqlite
def test_a_rewrite_is_found_in_export_and_database(
    earned: Any, database_uri: str, folder: Path
) -> None:
    """Who kept one checkpoint finds a rewrite before it, however well all of it agrees."""
    signed(earned)
    (folder / "kept.json").write_text(json.dumps(earned.ask(get_checkpoint)))
    earn(earned, "0.8")
    run_sql(earned, "DELETE FROM hokusai_reward_checkpoints")
    run_sql(earned, "DELETE FROM hokusai_state WHERE value = 'checkpoint'")
    rewrite_history(earned, TWO)
    path = export(database_uri)
    for subject in ((database_uri,), ("--file", str(path))):
        assert run("rewards", "verify", *subject).status == 0
        done = run("rewards", "verify", *subject, "--checkpoint", "kept.json", "--output", "json")
        assert done.status == 1
        assert codes(done) == [(2, "checkpoint_differs")]


@on_sqlite
def test_a_key_that_nobody_knows(earned: Any, database_uri: str, folder: Path) -> None:
    """A checkpoint by a stranger is refused, and one without a key cannot be looked at."""
    signed(earned, STRANGERS_KEY)
    answer = earned.ask(get_checkpoint)
    (folder / "kept.json").write_text(json.dumps(answer))
    (folder / "note.txt").write_text(answer["checkpoint"]["note"], encoding="utf-8")
    path = export(database_uri)
    for subject in ((database_uri,), ("--file", str(path))):
        verify = ("rewards", "verify", *subject)
        message = failed(run(*verify, "--checkpoint", "kept.json", environ=KNOWN))
        assert "signed by none of the trusted keys" in message
        message = failed(run(*verify, "--checkpoint", "note.txt"), status=2)
        assert "--public-key KEY" in message
    done = run("rewards", "verify", database_uri, "--output", "json", environ=KNOWN)
    assert codes(done) == [(2, "checkpoint_unsigned")]


@on_sqlite
@pytest.mark.parametrize(
    "text", ["", "{", "{}", '{"checkpoint": 5}', "\n\n", "a\n\n— b c\n", "x" * 70_000, "\ud800"]
)
def test_what_is_no_checkpoint(earned: Any, database_uri: str, folder: Path, text: str) -> None:
    """A sentence says so."""
    path = export(database_uri)
    (folder / "kept").write_bytes(text.encode(errors="surrogatepass"))
    options = ("--checkpoint", "kept", "--public-key", str(KEY.public))
    assert failed(run("rewards", "verify", "--file", str(path), *options))


LINES = {
    "an edit": (
        lambda lines: [lines[0].replace('"0.6"', '"0.9"'), lines[1]],
        [(1, "event_edited")],
    ),
    "a gap": (lambda lines: lines[1:], [(1, "event_removed")]),
    "twice": (lambda lines: [lines[0], *lines], [(1, "event_added")]),
    "another order": (lambda lines: lines[::-1], [(1, "event_removed"), (1, "event_added")]),
    "another chain": (
        lambda lines: [lines[0], rehashed(lines[1], previous_hash="a" * 64)],
        [(2, "chain_broken")],
    ),
    "no JSON": (lambda lines: [lines[0], "{", lines[1]], [(1, "event_malformed")]),
    "no object": (lambda lines: ["[]", *lines], [(0, "event_malformed")]),
    "no number": (lambda lines: ['{"sequence": "1"}', *lines], [(0, "event_malformed")]),
    "a truth value": (lambda lines: ['{"sequence": true}', *lines], [(0, "event_malformed")]),
    "deep": (lambda lines: ["[" * 100_000, *lines], [(0, "event_malformed")]),
    "a float": (
        lambda lines: [lines[0].replace('"timestamp":', '"timestamp":1e999,"x":'), lines[1]],
        [(1, "event_edited")],
    ),
    "a key given twice": (
        lambda lines: [
            lines[0].replace('"token_id":', '"token_id":"A-1","token_id":', 1),
            lines[1],
        ],
        [(0, "event_malformed"), (1, "event_removed")],
    ),
    "blank lines": (lambda lines: [*lines, ""], []),
    "nothing": (lambda lines: [], []),
}


def rehashed(line: str, **changes: Any) -> str:
    event = {**json.loads(line), **changes}
    return json.dumps({**event, "hash": event_hash(event)})


@on_sqlite
@pytest.mark.parametrize("change", LINES)
def test_changes_of_a_file(earned: Any, database_uri: str, change: str) -> None:
    """Every line is an event that follows the one before it; what is not is named."""
    edit, expected = LINES[change]
    path = export(database_uri)
    path.write_text("\n".join(edit(path.read_text().splitlines())))
    done = run("rewards", "verify", "--file", str(path), "--output", "json")
    assert codes(done) == expected
    assert done.status == (1 if expected else 0)


@on_sqlite
def test_a_line_without_an_end(earned: Any, monkeypatch: Any, folder: Path) -> None:
    """What is longer than any event ends the check; it is not read into memory."""
    monkeypatch.setattr(ledger_files, "MAX_LINE_BYTES", 1_000)
    (folder / "long").write_bytes(b"[" * 5_000)
    done = run("rewards", "verify", "--file", "long", "--output", "json")
    assert codes(done) == [(0, "event_malformed")]


@on_sqlite
def test_an_export_that_fails_leaves_nothing(earned: Any, database_uri: str, folder: Path) -> None:
    """A file appears when it is complete; one that was there before stays as it was."""
    path = export(database_uri)
    before = path.read_bytes()
    run_sql(earned, "UPDATE hokusai_reward_events SET data = '{' WHERE sequence = 2")
    message = failed(run("rewards", "export", database_uri, "--file", str(path)))
    assert message.startswith("Event 2 of workspace default cannot be read")
    assert path.read_bytes() == before
    assert [each.name for each in folder.iterdir() if "jsonl" in each.name] == ["ledger.jsonl"]


@on_sqlite
def test_a_database_or_a_file(earned: Any, database_uri: str) -> None:
    """Both at once is a mistake, and not one of them passed over."""
    path = export(database_uri)
    assert "not both" in failed(run("rewards", "verify", database_uri, "--file", str(path)), 2)


def test_memory_stays_flat(folder: Path) -> None:
    """A ledger of 20,000 events is checked in the memory of one."""
    previous = FIRST_HASH
    with (folder / "large").open("w") as file:
        for sequence in range(1, 20_001):
            event = {"sequence": sequence, "previous_hash": previous, "data": {"x": 500 * "y"}}
            previous = event_hash(event)
            file.write(json.dumps({**event, "hash": previous}) + "\n")
    tracemalloc.start()
    with (folder / "large").open("rb") as opened:
        check = FileCheck(opened)
        begin = time.perf_counter()
        assert list(check.faults()) == []
        assert time.perf_counter() - begin < 60
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (check.count, check.last_hash) == (20_000, previous)
    assert peak < 1 << 20
