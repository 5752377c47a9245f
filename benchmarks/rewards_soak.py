"""Rewards end to end: registered, reviewed, corrected, delivered, settled and signed, amid kills.

    python benchmarks/rewards_soak.py postgresql+psycopg://root@127.0.0.1/soak

On an empty database: a real ``mlflow server --app-name hokusai`` with several workers, one of which
is killed now and then; clients that register over HTTP, all into a few series, each of which begins
with a typing error; an administrator who rebases those, revokes DeltaOnes and names payees; a
reviewer who rejects some, a reward service that pays; a receiver that fails, hangs and drops
connections; ``hokusai-mlflow rewards dispatch`` and ``rewards checkpoint``, killed (SIGKILL) three
times.

In the end every DeltaOne has left one event; what stands is the way from each series' baseline to
its head, all of it is settled, and the receiver's own sums say the same; the ledger is intact in
the database, and in an export for an outsider who kept the first checkpoint. Then the exit status
is 0. It takes minutes, and never more than ``--deadline`` seconds.
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

from soak_books import Account, Books
from soak_clients import TOKENS, Clients
from soak_processes import checkpointer, dispatcher, kill_at
from soak_proof import Outsider
from soak_receiver import FlakyReceiver
from soak_roles import Api, Roles
from sqlalchemy import create_engine
from stress_server import Killer, serving


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database_uri", help="an empty PostgreSQL database")
    parser.add_argument("--registrations", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds between workers")
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
    rng = random.Random(arguments.seed)
    receiver = FlakyReceiver(rng)
    notes = folder / "notes"
    notes.mkdir()
    outsider = Outsider(notes, folder)
    engine = create_engine(uri)
    begin = time.perf_counter()
    settings = {"HOKUSAI_REWARD_REVIEW": "manual"}
    with (
        receiver.listening(),
        serving(uri, folder, workers=arguments.workers, settings=settings) as server,
    ):
        api = Api(server.url)
        roles = Roles(api, receiver, rng)
        clients = Clients(server.url, count, arguments.seed)
        clients.prepare()
        killed = [dispatcher(uri, receiver, folder), checkpointer(uri, notes, folder)]
        thresholds = [count // 4, count // 2, count * 3 // 4]
        workers = Killer(server, rng, arguments.kill_every)
        for process in killed:
            process.start()
        try:
            begin_writing = time.perf_counter()
            with (
                roles.at_work(),
                workers.at_work(),
                ThreadPoolExecutor(arguments.clients + 2) as pool,
            ):
                others = [
                    pool.submit(outsider.keep_first, arguments.deadline),
                    pool.submit(kill_at, killed, thresholds, receiver, clients.done),
                ]
                list(pool.map(clients.run, range(arguments.clients)))
                written_s = time.perf_counter() - begin_writing
                for each in others:
                    each.result()
            while _is_unfinished(Books.read(engine), roles):
                time.sleep(0.5)
                for process in killed:
                    process.require_running()
            settled_s = time.perf_counter() - begin_writing
            account = Account.of(api.feed())
        finally:
            for process in killed:
                process.stop(signal.SIGTERM)
    books = Books.read(engine)
    engine.dispose()
    outsider.check(uri)
    late = _late([sequence for sequence, _id in receiver.order])
    quantiles = statistics.quantiles(clients.latencies_ms, n=100)
    kills = [process.kills for process in killed]
    print(
        f"{count} registrations from {arguments.clients} clients on {arguments.workers} workers "
        f"in {written_s:.1f} s ({count / written_s:.0f}/s), "
        f"median {quantiles[49]:.0f} ms, 99th percentile {quantiles[98]:.0f} ms\n"
        f"{books.versions} versions, {books.achieved} achieved, {account.events} events, "
        f"{len(receiver.known)} distinct ids received\n"
        f"{account.achieved} DeltaOnes = {len(account.revoked)} revoked or rejected + "
        f"{len(account.settled)} settled + {len(account.unsettled)} unsettled; "
        f"{account.rebased} series rebased, {account.payees_named} times payees named, "
        f"{books.settlements} settlements, "
        f"{len(books.dead)} revoked before they were sent; changes by answer: {dict(api.done)}\n"
        f"{receiver.requests} requests received ({dict(receiver.failures)}), "
        f"{books.attempts} attempts in the log, "
        f"dispatcher and checkpointer killed {kills} times, workers {len(workers.kills)}, "
        f"{late} first arrivals out of order, {books.checkpoints} checkpoints, "
        f"all reviewed, delivered, settled and signed {settled_s - written_s:.1f} s after the last "
        "registration"
    )
    print("\n".join(outsider.said))
    print(f"{time.perf_counter() - begin:.0f} s in all")
    standing = account.settled | account.unsettled
    checks = {
        # A registration whose worker was killed before it answered is made twice.
        f"{books.versions} versions": books.versions >= count,
        f"{books.undecided} versions without a decision": books.undecided == 0,
        "no DeltaOne": books.achieved > 0,
        "nothing was revoked": bool(account.revoked),
        "no payees were named": account.payees_named > 0,
        f"{account.rebased} series rebased": account.rebased == TOKENS,
        "events differ from achieved decisions": account.achieved == books.achieved,
        "what stands is not the way from baseline to head": all(
            account.points.get(token, 0) == points for token, points in books.points.items()
        ),
        f"unsettled: {sorted(account.unsettled)}": not account.unsettled,
        "ids received differ from those delivered": receiver.known == books.delivered,
        "what stands was given up": books.dead <= account.revoked,
        "what the receiver nets differs from what stands": (
            receiver.achieved - receiver.revoked == standing
        ),
        f"{receiver.forged} requests did not verify": receiver.forged == 0,
        f"killed {kills} times": kills == [len(thresholds)] * len(killed),
        f"{dict(api.faults)}": not api.faults,
    }
    return [fault for fault, is_right in checks.items() if not is_right] + outsider.faults


def _is_unfinished(books: Books, roles: Roles) -> bool:
    """Whether anything waits for a reviewer, the dispatcher, a payment or a signature."""
    waiting = roles.review() + roles.rebase()
    roles.name_payees()
    roles.settle()
    return bool(waiting or books.pending or roles.receiver.unpaid() or books.unsigned)


def _late(sequences: Sequence[int]) -> int:
    """How many first arrivals came after one of a later event."""
    late = best = 0
    for sequence in sequences:
        best = max(best, sequence)
        late += sequence < best
    return late


if __name__ == "__main__":
    main()
