"""The fenced blocks of a Markdown page, and what really comes of them.

``python`` blocks share one interpreter; a ``text`` block after one shows what it prints.
``console`` blocks hold commands, each after ``$``, and their output. Other blocks are not run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from support import prepared

ADDRESS = "http://127.0.0.1:5000"
DATABASE = "sqlite:///hokusai.db"

CURL = Path(__file__).with_name("curl.py")

_SHELL = re.compile(r"[|<>;&$`*]")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INTERPRETER = """
import json, sys
namespace = {"__name__": "__main__"}
for line in sys.stdin:
    exec(compile(json.loads(line), "<page>", "exec"), namespace)
    print("\\0", end="", flush=True)
"""
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"[A-Za-z0-9+/]{91}="), "SIGNATURE"),
    (re.compile(r"(?<=\\n)[A-Za-z0-9+/]{43}="), "BASE64"),
    (re.compile(r"^[A-Za-z0-9+/]{43}=", re.MULTILINE), "BASE64"),
    (re.compile(r"\b(m-)?[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b1[0-9]{12}\b"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?( ?UTC|Z)?"), "TIME"),
    (re.compile(r'(?<="next_page_token": ")[^"]+'), "PAGE"),
)


@dataclass(frozen=True)
class Example:
    """One thing that a page says can be run, and what it says comes of it."""

    line: int
    language: str
    source: str
    output: str


def examples(page: str) -> list[Example]:
    """Everything on a page that is run, in order."""
    found: list[Example] = []
    blocks = [(match[1], match[2], match.start()) for match in _BLOCK.finditer(page)]
    for (language, text, start), following in zip(blocks, [*blocks[1:], ("", "", 0)], strict=True):
        line = page.count("\n", 0, start) + 1
        if language == "python":
            output = following[1] if following[0] == "text" else ""
            found.append(Example(line, language, text, output))
        elif language == "console":
            found += [Example(line, language, *command) for command in _commands(text)]
    return found


def _commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that follows it."""
    parts = re.split(r"^\$ ((?:.*\\\n)*.*)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


class Reader:
    """Someone who does what a page says, against a server of the test's own."""

    def __init__(self, address: str, database_uri: str, folder: Path) -> None:
        self._real = {ADDRESS: address, DATABASE: database_uri}
        self._folder = folder
        folders = [str(Path(sys.executable).parent), *_curl(folder), os.environ["PATH"]]
        self._environ = {
            **os.environ,
            "PATH": os.pathsep.join(folders),
            "MLFLOW_TRACKING_URI": address,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
        self._log = folder / "python.log"
        with self._log.open("w") as log:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _INTERPRETER],
                cwd=folder,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def run(self, example: Example) -> str:
        """What an example prints, in terms of the page's own address and database."""
        source = example.source
        for shown, real in self._real.items():
            source = source.replace(shown, real)
        printed = self._run_python(source) if example.language == "python" else self._shell(source)
        for shown, real in self._real.items():
            printed = printed.replace(real, shown)
        return printed

    def _run_python(self, source: str) -> str:
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(source) + "\n")
        self._python.stdin.flush()
        printed = ""
        while not printed.endswith("\0"):
            character = self._python.stdout.read(1)
            if not character:
                raise AssertionError(self._log.read_text())
            printed += character
        return printed[:-1]

    def _shell(self, command: str) -> str:
        if command.startswith("hokusai-mlflow ") and not _SHELL.search(command):
            return self._command(command)
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return result.stdout + result.stderr

    def _command(self, command: str) -> str:
        """The project's own command as its script runs it, without a new interpreter for each."""
        _, *arguments = shlex.split(command)
        script = ["-c", "from hokusai_mlflow_plugin.cli import main; main()", *arguments]
        return prepared.run(script, cwd=self._folder, env=self._environ, merged=True).stdout

    def close(self) -> None:
        self._python.kill()
        self._python.communicate()


def _curl(folder: Path) -> list[str]:
    """A folder with a stand-in for curl, where this machine has none."""
    if which("curl"):
        return []
    script = folder / "bin" / "curl"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{CURL}" "$@"\n')
    script.chmod(0o755)
    return [str(script.parent)]


def comparable(text: str) -> Any:
    """Output without what differs from run to run: ids, times, layout."""
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    try:
        return _sorted_tags(json.loads(re.sub(r": TIME\b", ': "TIME"', text)))
    except ValueError:
        return text.split()


def _sorted_tags(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted_tags(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_sorted_tags(each) for each in value), key=_tag_key)
    return value


def _tag_key(value: Any) -> str:
    return str(value.get("key", "")) if isinstance(value, dict) else ""
