"""How fast a model is copied from one server to another, against MLflow's own download and upload.

``python benchmarks/copying.py [--gigabytes 5] [--files 2000] ORIGIN REGISTRY``: two running
servers, the second one with the plugin. It ends with status 1 where copying takes more than twice
as long, or needs more memory than four files and 200 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from hokusai.reach.copies import Copy
from hokusai.reach.origins import Origin, find_origin
from hokusai.reach.transfers import Files

_MOST_EXTRA_MB = 200
_AT_ONCE = 4


def logged(origin_uri: str, size: int, files: int) -> Origin:
    """A logged model of so many random bytes in so many files."""
    client = MlflowClient(tracking_uri=origin_uri)
    model = client.create_logged_model("0", name="large")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
        for number in range(files):
            part = Path(folder) / f"part-{number // 100}" / f"{number}.bin"
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
        found = Files(origin.artifact_uri, origin.tracking_uri).repository
        client.log_model_artifacts(model.model_id, found.download_artifacts("", folder))


def by_copy(origin: Origin, registry_uri: str) -> None:
    """One file after the other, each read back and compared."""
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


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("origin")
    parser.add_argument("registry")
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--files", type=int, default=2000)
    given = parser.parse_args()
    size = int(given.gigabytes * 1e9)
    mlflow.set_tracking_uri(given.origin)
    origin = logged(given.origin, size, given.files)
    stock_s, stock_mb = measured(lambda: by_mlflow(origin, given.registry))
    copy_s, copy_mb = measured(lambda: by_copy(origin, given.registry))
    for what, seconds, grown in (("MLflow", stock_s, stock_mb), ("copy", copy_s, copy_mb)):
        speed = size / seconds / 1e6
        print(f"{what}: {seconds:.1f} s, {speed:.0f} MB/s, memory +{grown:.0f} MB")
    allowed = _MOST_EXTRA_MB + _AT_ONCE * size / given.files / 1e6
    return int(copy_s > 2 * stock_s or copy_mb > allowed)


if __name__ == "__main__":
    sys.exit(main())
