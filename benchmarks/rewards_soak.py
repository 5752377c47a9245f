"""Rewards end to end: many clients, a flaky receiver, dispatcher and checkpointer that are killed.

    python benchmarks/rewards_soak.py postgresql+psycopg://root@127.0.0.1/soak

On an empty database: a real ``mlflow server --app-name hokusai`` with several workers, clients that
register over HTTP, all into a few series, a receiver that fails, hangs and drops connections, and
``hokusai-mlflow rewards dispatch`` and ``rewards checkpoint``, killed (SIGKILL) three times. In the
end every DeltaOne must have left exactly one event, every event must have arrived and be signed,
and the ledger must be intact: in the database, and in an export for an outsider who kept the first
checkpoint. Then the exit status is 0. It takes minutes, and never more than ``--deadline`` seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from soak_books import Books
from soak_clients import Clients
from soak_processes import checkpointer, dispatcher, kill_at
from soak_proof import Outsider
from soak_receiver import FlakyReceiver
from sqlalchemy import create_engine
from stress_server import serving


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database_uri", help="an empty PostgreSQL database")
    parser.add_argument("--registrations", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=1200)
    arguments = parser.parse_args()
    threading.Thread(target=_give_up, args=(arguments.deadline,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        faults = soak(arguments, Path(folder))
    for fault in faults:
        print(f"WRONG: {fault}")
    sys.exit(1 if faults else 0)


def _give_up(deadline_s: float) -> None:
    time.sleep(deadline_s)
    print(f"WRONG: not finished after {deadline_s:.0f} s", flush=True)
    os.kill(os.getpid(), signal.SIGINT)


def soak(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Run it all, print the figures, and say what is wrong."""
    uri, count = arguments.database_uri, arguments.registrations
    receiver = FlakyReceiver(random.Random(arguments.seed))
    notes = folder / "notes"
    notes.mkdir()
    outsider = Outsider(notes, folder)
    engine = create_engine(uri)
    begin = time.perf_counter()
    with receiver.listening(), serving(uri, folder, workers=arguments.workers) as server:
        clients = Clients(server.url, count, arguments.seed)
        clients.prepare()
        killed = [dispatcher(uri, receiver, folder), checkpointer(uri, notes, folder)]
        thresholds = [count // 4, count // 2, count * 3 // 4]
        for process in killed:
            process.start()
        try:
            killing = (killed, thresholds, receiver, clients.done)
            begin_writing = time.perf_counter()
            with ThreadPoolExecutor(arguments.clients + 2) as pool:
                others = [
                    pool.submit(outsider.keep_first, arguments.deadline),
                    pool.submit(kill_at, *killing),
                ]
                list(pool.map(clients.run, range(arguments.clients)))
                written_s = time.perf_counter() - begin_writing
                for each in others:
                    each.result()
            while (books := Books.read(engine)).pending or books.unsigned:
                time.sleep(0.5)
                for process in killed:
                    process.require_running()
            delivered_s = time.perf_counter() - begin_writing
        finally:
            for process in killed:
                process.stop(signal.SIGTERM)
    engine.dispose()
    outsider.check(uri)
    late = _late([sequence for sequence, _id in receiver.order])
    quantiles = statistics.quantiles(clients.latencies_ms, n=100)
    kills = [process.kills for process in killed]
    print(
        f"{count} registrations from {arguments.clients} clients on {arguments.workers} workers "
        f"in {written_s:.1f} s ({count / written_s:.0f}/s), "
        f"median {quantiles[49]:.0f} ms, 99th percentile {quantiles[98]:.0f} ms\n"
        f"{books.versions} versions, {books.decisions} decisions, {books.achieved} achieved, "
        f"{books.events} events, {len(receiver.known)} distinct ids received\n"
        f"{receiver.requests} requests received ({dict(receiver.failures)}), "
        f"{books.attempts} attempts in the log, "
        f"dispatcher and checkpointer killed {kills} times, "
        f"{late} first arrivals out of order, {books.checkpoints} checkpoints, "
        f"all delivered and signed {delivered_s - written_s:.1f} s after the last registration"
    )
    print("\n".join(outsider.said))
    print(f"{time.perf_counter() - begin:.0f} s in all")
    checks = {
        f"{books.versions} versions": books.versions == count,
        f"{books.decisions} decisions": books.decisions == count,
        "no DeltaOne": books.achieved > 0,
        "events differ from achieved decisions": books.events == books.achieved,
        "ids received differ from events": len(receiver.known) == books.events,
        f"{receiver.forged} requests did not verify": receiver.forged == 0,
        f"{books.wrong_series} series are not paid exactly": books.wrong_series == 0,
        f"killed {kills} times": kills == [len(thresholds)] * len(killed),
        f"{late} first arrivals out of order": late <= len(thresholds),
    }
    return [fault for fault, is_right in checks.items() if not is_right] + outsider.faults


def _late(sequences: Sequence[int]) -> int:
    """How many first arrivals came after one of a later event."""
    late = best = 0
    for sequence in sequences:
        best = max(best, sequence)
        late += sequence < best
    return late


if __name__ == "__main__":
    main()
