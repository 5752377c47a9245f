"""How fast a model is copied from one server to another, against MLflow's own download and upload.

    python benchmarks/copying.py                                       # 0.3 GB, a minute
    python benchmarks/copying.py --gigabytes 5 --files 2000 --rounds 1

Two servers are started, a stock one and one with the plugin, and both ways are measured in turn. It
ends with status 1 where a copy has less than half MLflow's speed, or needs more memory than the
files that are on their way at once and 200 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from bench_servers import serving
from mlflow import MlflowClient

from hokusai.reach.copies import Copy
from hokusai.reach.origins import Origin, find_origin
from hokusai.reach.transfers import AT_ONCE, Files

_MOST_EXTRA_MB = 200
_PER_FOLDER = 100


def logged(origin_uri: str, size: int, files: int) -> Origin:
    """A logged model of so many random bytes in so many files."""
    client = MlflowClient(tracking_uri=origin_uri)
    model = client.create_logged_model("0", name="large")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
        for number in range(files):
            part = Path(folder) / f"part-{number // _PER_FOLDER}" / f"{number}.bin"
            part.parent.mkdir(exist_ok=True)
            part.write_bytes(os.urandom(size // files))
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    return find_origin(origin_uri, f"models:/{model.model_id}", None, None)


def by_mlflow(origin: Origin, registry_uri: str) -> None:
    """Download all, upload all."""
    client = MlflowClient(tracking_uri=registry_uri)
    model = client.create_logged_model("0", name="large")
    with tempfile.TemporaryDirectory() as folder:
        downloaded = mlflow.artifacts.download_artifacts(
            artifact_uri=origin.artifact_uri, tracking_uri=origin.tracking_uri, dst_path=folder
        )
        Files(model.artifact_location, registry_uri).repository.log_artifacts(downloaded)
    client.finalize_logged_model(model.model_id, "READY")


def by_copy(origin: Origin, registry_uri: str) -> None:
    """Several files at once, each checked."""
    Copy(registry_uri, origin, "hokusai-benchmark", None).make()


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and by how many megabytes this process grew at most."""
    before, most, ended = _resident_mb(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.05):
            most = max(most, _resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        work()
    finally:
        taken = time.perf_counter() - begun
        ended.set()
        watcher.join()
    return taken, max(0.0, most - before)


@contextmanager
def _server(folder: Path, *, plugin: bool) -> Iterator[str]:
    folder.mkdir()
    with serving(f"sqlite:///{folder / 'mlflow.db'}", folder, plugin=plugin) as server:
        yield f"http://127.0.0.1:{server.port}"


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def _tell(what: str, size: int, seconds: float, grown_mb: float) -> None:
    speed = size / seconds / 1e6
    print(f"  {what}: {seconds:.1f} s, {speed:.0f} MB/s, memory +{grown_mb:.0f} MB", flush=True)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=0.3)
    parser.add_argument("--files", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    size = int(given.gigabytes * 1e9)
    ratios, grown = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        origin_folder, registry_folder = Path(folder) / "origin", Path(folder) / "registry"
        with (
            _server(origin_folder, plugin=False) as origin_uri,
            _server(registry_folder, plugin=True) as registry_uri,
        ):
            origin = logged(origin_uri, size, given.files)
            for number in range(given.rounds):
                stock_s, stock_mb = measured(lambda: by_mlflow(origin, registry_uri))
                copy_s, copy_mb = measured(lambda: by_copy(origin, registry_uri))
                ratios.append(stock_s / copy_s)
                grown = max(grown, copy_mb)
                print(f"round {number + 1}, load {os.getloadavg()[0]:.1f}:", flush=True)
                for what, seconds, more in (
                    ("MLflow", stock_s, stock_mb),
                    ("copy", copy_s, copy_mb),
                ):
                    speed = size / seconds / 1e6
                    print(f"  {what}: {seconds:.1f} s, {speed:.0f} MB/s, memory +{more:.0f} MB")
    ratio = statistics.median(ratios)
    print(f"A copy has {ratio:.2f} of MLflow's speed; at least 0.5 is asked for.")
    allowed = _MOST_EXTRA_MB + AT_ONCE * size / given.files / 1e6
    return int(ratio < 0.5 or grown > allowed)


if __name__ == "__main__":
    sys.exit(main())
