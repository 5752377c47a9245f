"""Every command explains itself, and its examples work as they are."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from cli.commands import run
from click.testing import CliRunner
from support.checkpoints import KEY

from hokusai_mlflow_plugin.cli import main

ENDLESS = {("server",), ("rewards", "dispatch")}
"""Commands that run until they are stopped; other tests start them."""
REFUSED = {
    ("rewards", "replay"),
    ("rewards", "revoke"),
    ("rewards", "payees"),
    ("rewards", "review", "approve"),
    ("rewards", "review", "reject"),
    ("rewards", "settle"),
    ("series", "rebase"),
}
"""Their examples name an event that is nobody's, or a series whose head was earned."""


def commands(group=main, path=()):
    """Every command that does something, with its path."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def examples(path):
    """The examples in a command's help, as a shell would split them, with their variables."""
    text = run(*path, "--help").output
    _before, _heading, block = re.split(r"^ +(Examples?):$", text, maxsplit=1, flags=re.MULTILINE)
    lines = block.split("\n\n")[0].replace("\\\n", " ").splitlines()
    for line in filter(None, map(str.strip, lines)):
        *variables, command = re.split(r"\s+(?=hokusai-mlflow)", line) if "=" in line else [line]
        yield line, variables, shlex.split(command)


ALL = [path for path, _command in commands()]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help(path):
    """The help says what the command does and has an example of that very command."""
    first_line = run(*path, "--help").lines[2]
    assert re.match(r"  [A-Z].*", first_line)
    found = list(examples(path))
    assert found
    for _line, _variables, words in found:
        assert tuple(words[1 : 1 + len(path)]) == path


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_cites_no_rule(path):
    """Whoever asks for help has not read the rules by their numbers."""
    assert re.search(r"\bR[1-9]\d?\b|design", run(*path, "--help").output) is None


@pytest.fixture
def prepared(server, folder, monkeypatch):
    """A shell in which the examples' database, server and file are there."""
    (folder / "checkpoint.key").write_text(f"{KEY.secret_text}\n")
    (folder / "metrics.toml").write_text('[metrics.ctr]\ndirection = "maximize"\n')
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.uri)
    declared = run("token", "declare", "IMG-001", "--metric", "accuracy", "--publisher", "bob")
    assert declared.status == 0
    return {
        "sqlite:///hokusai.db": server.database_uri,
        "postgresql://user@host/mlflow": server.database_uri,
        "http://127.0.0.1:5000": server.uri,
    }


@pytest.mark.parametrize("path", [path for path in ALL if path not in ENDLESS], ids=" ".join)
def test_examples(path, prepared, folder):
    """Each example runs as it is written, but for where database and server are."""
    if path == ("rewards", "keygen"):  # which makes what the others find
        (folder / "checkpoint.key").unlink()
    for line, variables, words in examples(path):
        environ = dict(variable.split("=", 1) for text in variables for variable in text.split())
        done = run(*(prepared.get(word, word) for word in words[1:]), environ=environ)
        assert done.status == (1 if path in REFUSED else 0), (line, done)


@pytest.mark.parametrize("group", ["", "db", "index", "token", "model"])
def test_group_lists_its_commands(group):
    """A group's help has a line for each command."""
    words = group.split()
    output = CliRunner().invoke(main, [*words, "-h"]).output
    found = main.commands[group] if group else main
    assert [name for name in found.commands if f"  {name}" not in output] == [], output
