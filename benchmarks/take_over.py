"""Take a seeded database over as its user does, and say how fast and in how much memory.

    python benchmarks/take_over.py postgresql+psycopg://root@127.0.0.1/hokusai_bench_1000000

Runs ``hokusai-mlflow db upgrade`` in a process of its own. Prints one line of JSON: the versions
found, its seconds from start to end, versions a second, and the process's own peak of memory; the
database server's is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("hokusai-mlflow")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database_uri")
    print(json.dumps(take_over(parser.parse_args().database_uri)))


def take_over(database_uri: str) -> dict[str, Any]:
    """Run ``db upgrade``; its figures, memory in MiB."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        upgrade = subprocess.Popen(
            [COMMAND, "db", "upgrade", database_uri, "--output", "json"], stdout=output
        )
        _pid, status, usage = os.wait4(upgrade.pid, 0)
        seconds = time.perf_counter() - begin
        if status:
            raise SystemExit(f"db upgrade ended with status {os.waitstatus_to_exitcode(status)}")
        output.seek(0)
        report = json.load(output)
    return {
        "versions": report["version_count"],
        "indexed": report["indexed_count"],
        "faults": len(report["nonconforming"]),
        "seconds": round(seconds, 1),
        "versions_per_second": round(report["version_count"] / seconds),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
