"""Long lists: nothing of them is kept in memory but what is shown."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import tempfile
import termios

import pytest
from cli.commands import run
from support import prepared
from support.registry import create_version

from hokusai_mlflow_plugin.cli.output import print_table
from hokusai_mlflow_plugin.cli.reports import FirstRows, JsonRows

COMMAND = ["-c", "from hokusai_mlflow_plugin.cli import main; main()"]


def test_first_rows(capsys):
    """A table has the first fifty rows, and says how many more there are."""
    listing = FirstRows(("n",))
    for n in range(53):
        listing.add([str(n)])
    listing.show()
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["n", "--", *map(str, range(50)), lines[-1]]
    assert lines[-1].startswith("… and 3 more;")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_rows(capsys, count):
    """JSON is printed row by row, and is one object when it is complete."""
    listing = JsonRows("items", ("n", "text"))
    for n in range(count):
        listing.add([str(n), 'é "x"\n'])
    listing.close(total=count)
    expected = [{"n": str(n), "text": 'é "x"\n'} for n in range(count)]
    assert json.loads(capsys.readouterr().out) == {"items": expected, "total": count}


def test_table_is_aligned_by_width(capsys):
    """Wide and combining characters take their place; control characters cannot forge a line."""
    print_table(("name", "n"), [["模型", 1], ["e\u0301", 2], ["a\nb\x1b[2J", 3]])
    assert capsys.readouterr().out.splitlines() == [
        "name         n",
        "-----------  -",
        "模型         1",
        "e\u0301            2",
        r"a\nb\x1b[2J  3",
    ]


def test_empty_table(capsys):
    """No rows are said to be none."""
    print_table(("name",), [])
    assert capsys.readouterr().out == "None.\n"


def all_of(terminal):
    """What was written to a terminal that its writer has closed."""
    written = b""
    try:
        while part := os.read(terminal, 1000):
            written += part
    except OSError:  # how Linux tells that there is no more
        pass
    os.close(terminal)
    return written.decode()


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_progress_bar(store, database_uri):
    """A terminal gets a progress bar on standard error, a pipe gets none."""
    create_version(store)
    piped = run("index", "rebuild", database_uri)
    assert piped.errors == ""
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with tempfile.TemporaryFile("w+") as output:
        process = prepared.start(
            [*COMMAND, "index", "rebuild", database_uri],
            cwd=".",
            env=os.environ,
            stdout=output,
            stderr=theirs,
        )
        assert process.wait(60) == 0
        output.seek(0)
        printed = output.read()
    os.close(theirs)
    shown = all_of(terminal)
    assert "Repairing: 100%" in shown
    assert "1/1" in shown
    assert printed == piped.output
