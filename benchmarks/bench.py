"""Measure the plugin against MLflow's own paths and against bare SQL.

    python benchmarks/bench.py                    # 10,000 versions, a few minutes
    python benchmarks/bench.py --sizes 10000 100000 1000000 --name full
    python benchmarks/bench.py --sizes 1000000 10000000 --only-growth --name growth

Every figure is a ratio of medians from one interleaved run, ours and the peer's in turn: another
load on the machine slows both. Where that load is great, the ratio of the fastest tenths of the
samples is nearer to what an idle machine shows. PostgreSQL is the server in
HOKUSAI_BENCH_POSTGRES_URL, by default the one on this machine; databases ``hokusai_bench_SIZE`` are
made there and kept for the next run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import bench_clients
import bench_connections
import bench_dispatch
import bench_http
import bench_ledger
import bench_pages
import bench_reads
import bench_renames
import bench_report
import bench_writes
from bench_databases import prepare
from bench_timing import Figure

RESULTS = Path(__file__).parent / "results"
HTTP_SIZES = (10**4, 10**5)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000])
    parser.add_argument("--databases", nargs="+", default=["postgresql", "sqlite"])
    parser.add_argument("--rounds", type=int, default=100, help="samples at the store")
    parser.add_argument("--http-rounds", type=int, default=5, help="samples over HTTP")
    parser.add_argument("--http-seconds", type=int, default=3, help="length of one of those")
    parser.add_argument("--name", default="bench", help="of the files in benchmarks/results")
    parser.add_argument("--only-growth", action="store_true", help="reads at one size and another")
    parser.add_argument("--folder", type=Path, help="where SQLite's databases are kept")
    arguments = parser.parse_args()
    if arguments.only_growth and (len(arguments.sizes) < 2 or arguments.name == "bench"):
        parser.error("--only-growth compares two sizes or more, and takes a --name of its own")
    folder = arguments.folder or Path(tempfile.gettempdir()) / "hokusai-bench"
    figures: list[Figure] = []
    for database in arguments.databases:
        uris = {size: prepare(database, size, folder) for size in sorted(arguments.sizes)}
        for size, uri in () if arguments.only_growth else uris.items():
            print(f"Measuring {database} with {size} versions …", flush=True)
            figures += bench_reads.measure(database, uri, size, arguments.rounds)
            figures += bench_writes.measure(database, uri, size, arguments.rounds)
            if size in HTTP_SIZES:
                rounds, seconds = arguments.http_rounds, arguments.http_seconds
                figures += bench_http.measure(database, uri, size, rounds, seconds)
                figures += bench_connections.measure(database, uri, size, arguments.rounds)
            figures += bench_pages.measure(database, uri, size, arguments.rounds)
            if size == min(arguments.sizes):
                figures += bench_clients.measure(database, uri, size, arguments.rounds)
                figures += bench_dispatch.measure(database, uri, size)
                _write(arguments.name, figures)
                figures += bench_ledger.measure(database, uri, size)
                figures += bench_renames.measure(database, uri, size)
            _write(arguments.name, figures)
        figures += bench_reads.growth(database, uris, arguments.rounds)
    # First: what was measured for an hour is kept, whatever comes after it.
    if arguments.only_growth:
        bench_report.write_json(RESULTS / f"{arguments.name}.json", figures)
    else:
        _write(arguments.name, figures)
    print(bench_report.table(figures))
    bench_connections.require_prompt_answers(figures)
    bench_pages.require_prompt_pages(figures)


def _write(name: str, figures: list[Figure]) -> None:
    bench_report.write_json(RESULTS / f"{name}.json", figures)
    bench_report.plot(RESULTS / f"{name}.png", figures)


if __name__ == "__main__":
    main()
