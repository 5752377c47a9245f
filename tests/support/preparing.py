"""The program behind ``prepared.py``: imports once, then forks for each order that comes in.

It never imports ``mlflow.server`` or this project itself: they read the environment when they are
imported, so each program does that on its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

IMPORTED = (
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.genai",
    "mlflow.pyfunc",
    "mlflow.gateway",
    "fastapi",
    "flask",
    "flask_cors",
    "graphene",
    "starlette.middleware.wsgi",
    "uvicorn.main",
    "uvicorn.supervisors",
    "alembic.autogenerate",
    "alembic.command",
    "eth_hash.auto",
    "eth_utils",
    "psycopg",
    "pymysql",
    "rfc8785",
    "standardwebhooks",
    "tenacity",
    "tqdm",
)
"""What takes long to import, and is the same for every program."""


def main(address: str) -> None:
    """Listen at an address until standard input is closed, which the test process does."""
    sys.path.pop(0)  # this file's folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in IMPORTED:
            with suppress(ImportError):  # the oldest MLflow has not all of its modules
                importlib.import_module(name)
    assert "mlflow.server" not in sys.modules
    gc.freeze()  # the collector would touch, and so copy, every page that the forks share
    signal.signal(signal.SIGCHLD, _reap)  # ignoring it would lose the forks' processor time
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _guard(connection)
        connection.close()


def _reap(*_: Any) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _guard(connection: socket.socket) -> None:
    """Fork a program, tell how it ends, and end it when nobody wants to know any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, streams, *_ = socket.recv_fds(connection, 1 << 20, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(streams, **json.loads(order))
    with suppress(OSError):
        connection.send(str(pid).encode())
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, connection], [], [])[0]:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], cwd: str, env: Mapping[str, str]) -> None:
    """Be the program that ``python ARGUMENTS`` would be."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [part for part in env.get("PYTHONPATH", "").split(os.pathsep) if part]
    _forward_children()
    status = 1
    try:
        _run(arguments)
        status = 0
    except SystemExit as end:
        status = _status(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _finish(status)


def _run(arguments: list[str]) -> None:
    kind, *others = arguments
    if kind == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv = others
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    else:
        sys.path.insert(0, os.path.dirname(kind))
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")


def _status(code: Any) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


def _finish(status: int) -> None:
    """End as an interpreter does: threads that are waited for, exit handlers, full buffers."""
    import atexit
    import threading

    with suppress(BaseException):
        threading._shutdown()
    with suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(status)


def _forward_children() -> None:
    """Have the web server, a child of ``mlflow server``, forked as well."""
    from mlflow.utils import process

    directly = process._exec_cmd

    def exec_cmd(command: Any, *, extra_env: Any = None, **options: Any) -> Any:
        if command[:2] != [sys.executable, "-m"] or options.get("synchronous", True):
            return directly(command, extra_env=extra_env, **options)
        sys.path.insert(0, os.path.dirname(__file__))
        from prepared import SOCKET_VARIABLE, ask

        address = os.environ[SOCKET_VARIABLE]
        env = {**os.environ, **(extra_env or {})}
        return ask(address, list(map(str, command[1:])), os.getcwd(), env, [0, 1, 2])

    process._exec_cmd = exec_cmd


if __name__ == "__main__":
    main(sys.argv[1])
