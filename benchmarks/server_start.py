"""How lean the server starts, beside stock MLflow with the same options.

    python benchmarks/server_start.py --pairs 5

Starts ``mlflow server`` and ``hokusai-mlflow server`` in turn, each on an empty folder, with one
worker and no job workers on both sides, and once ``hokusai-mlflow server`` with nothing given. For
each: the seconds until ``/health`` answers, the processor seconds until then, how many processes
there are and how much memory they hold (PSS: what processes share is counted once).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

import psutil

STOCK = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db"]
OURS = [sys.executable, "-c", "from hokusai_mlflow_plugin.cli import main; main()", "server"]
SAME = ["--workers", "1"]
LEAN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
GIVE_UP_S = 180
STOP_S = 20


@dataclass(frozen=True)
class Start:
    """What one start took, and what runs after it."""

    wall_s: float
    cpu_s: float
    processes: int
    pss_mb: float

    def __str__(self) -> str:
        return (
            f"{self.wall_s:5.1f} s, {self.cpu_s:5.1f} s of processor, "
            f"{self.processes} processes, {self.pss_mb:5.0f} MB"
        )


def measured(command: list[str], more: dict[str, str]) -> Start:
    """Start a server in an empty folder, look at it, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HOKUSAI_"))}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**own, "MLFLOW_DISABLE_TELEMETRY": "true", **more},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", begun + GIVE_UP_S)
            wall_s = time.monotonic() - begun
            found = _family(process.pid)
            times = [each.cpu_times() for each in found]
            cpu_s = sum(each.user + each.system for each in times)
            time.sleep(3)  # job workers come after the server
            found = _family(process.pid)
            pss = sum(each.memory_full_info().pss for each in found)
            return Start(wall_s, cpu_s, len(found), pss / 1e6)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Print each pair, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    print("nothing given: hokusai-mlflow server", measured(OURS, {}), flush=True)
    found: dict[str, list[Start]] = {"mlflow server": [], "hokusai-mlflow server": []}
    for number in range(pairs):
        sides = [("mlflow server", STOCK), ("hokusai-mlflow server", OURS)]
        for name, command in sides if number % 2 else reversed(sides):
            found[name].append(measured([*command, *SAME], LEAN))
            print(f"{name:21}", found[name][-1], flush=True)
    for name, starts in found.items():
        wall_s = statistics.median(start.wall_s for start in starts)
        cpu_s = statistics.median(start.cpu_s for start in starts)
        print(f"{name:21} median {wall_s:.1f} s, {cpu_s:.1f} s of processor")


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _wait(url: str, until: float) -> None:
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=5):  # noqa: S310  # our own http URL
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError(url)


if __name__ == "__main__":
    main()
