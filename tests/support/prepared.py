"""Python programs that find MLflow imported already: what takes seconds otherwise is done once.

Each test process that needs it starts ``preparing.py``, which imports what a server needs and
then forks for each program. The programs are the real ones, in processes of their own, with
arguments, environment and streams of their own; only their imports are taken from the fork.
with ``HOKUSAI_TEST_PREPARED=false``, and on other systems than Linux, each begins from
nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

SOCKET_VARIABLE = "HOKUSAI_TEST_PREPARED_SOCKET"
SWITCH_VARIABLE = "HOKUSAI_TEST_PREPARED"
_PROGRAM = Path(__file__).with_name("preparing.py")
_START_SECONDS = 120


class PreparedProcess:
    """A program in a fork; as much of ``subprocess.Popen`` as is needed."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended; a negative one names a signal.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        while self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a prepared program", timeout or 0)
            # A signal handler that asks meanwhile may have been told already.
            if status := self._connection.recv(100):
                self.returncode = int(status)
        return self.returncode

    def __del__(self) -> None:
        # Not sooner: a signal handler may ask again while ``wait`` listens.
        self._connection.close()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stdout: IO[Any] | int,
    stderr: IO[Any] | int = subprocess.STDOUT,
    stdin: IO[Any] | int = subprocess.DEVNULL,
) -> PreparedProcess | subprocess.Popen[bytes]:
    """Start ``python ARGUMENTS`` in a session of its own.

    Args:
        arguments: As after ``python``: a file, ``-m`` and a module, or ``-c`` and code.
        cwd: Its working folder.
        env: All of its environment.
        stdout: An open file.
        stderr: Another, or where ``stdout`` goes.
        stdin: Another, or nothing to read.
    """
    if not _prepares():
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    address = _address()
    own_env = {**env, SOCKET_VARIABLE: address}
    with open(os.devnull) as nothing:
        streams = [
            _number(nothing if stdin == subprocess.DEVNULL else stdin),
            _number(stdout),
            _number(stdout if stderr == subprocess.STDOUT else stderr),
        ]
        return ask(address, list(arguments), str(cwd), own_env, streams)


def run(
    arguments: Sequence[str],
    *,
    cwd: Path | str = ".",
    env: Mapping[str, str] | None = None,
    check: bool = False,
    merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENTS`` to its end, as ``subprocess.run`` with ``capture_output`` does.

    Args:
        arguments: As after ``python``.
        cwd: Its working folder.
        env: All of its environment; by default this process's.
        check: Whether to raise ``CalledProcessError`` where it fails.
        merged: Whether standard error goes to where standard output goes.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(
            arguments,
            cwd=Path(cwd).resolve(),
            env=os.environ if env is None else env,
            stdout=out,
            stderr=out if merged else err,
        )
        status = process.wait(_START_SECONDS * 2)
        done = subprocess.CompletedProcess(list(arguments), status, _read(out), _read(err))
    if check:
        done.check_returncode()
    return done


class PipedProcess:
    """A program that is written to and read from, line by line.

    Args:
        arguments: As after ``python``.
        env: All of its environment.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        its_input, ours = os.pipe()
        theirs, its_output = os.pipe()
        self.stdin = os.fdopen(ours, "w")
        self.stdout = os.fdopen(theirs)
        os.set_inheritable(ours, False)
        self.process = start(
            arguments, cwd=Path.cwd(), env=env, stdin=its_input, stdout=its_output, stderr=2
        )
        os.close(its_input)
        os.close(its_output)

    def end(self, timeout: float = 30) -> int:
        """Close what it reads, and wait for its exit status."""
        self.stdin.close()
        status = self.process.wait(timeout)
        self.stdout.close()
        return status


def ask(
    address: str, arguments: list[str], cwd: str, env: Mapping[str, str], streams: list[int]
) -> PreparedProcess:
    """Have a program forked by the process that listens at ``address``."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(address)
    order = json.dumps({"arguments": arguments, "cwd": cwd, "env": dict(env)}).encode()
    socket.send_fds(connection, [order], streams)
    return PreparedProcess(int(connection.recv(100)), connection)


def _prepares() -> bool:
    return sys.platform == "linux" and os.environ.get(SWITCH_VARIABLE, "true") != "false"


@cache
def _address() -> str:
    """Where this test process's preparing process listens; it ends with this one."""
    folder = tempfile.mkdtemp(prefix="hokusai-prepared-")
    address = f"{folder}/socket"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
    process = subprocess.Popen(
        [sys.executable, str(_PROGRAM), address],
        env={**environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    atexit.register(_end, process, Path(folder))
    return address


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.communicate()
    (folder / "socket").unlink()
    folder.rmdir()


def _number(file: IO[Any] | int) -> int:
    return file if isinstance(file, int) else file.fileno()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
