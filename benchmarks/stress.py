"""Random writes by many clients against a server whose workers are killed, and what must hold then.

    python benchmarks/stress.py DATABASE_URI [--seconds 60] [--seed 1] [--clients 16] …

Runs a real server on an empty database of its own. First 32 writers make 20 versions each of one
model, plain and tokenised. Then client processes write at random, to versions of their own and to
some that all fight over, at times all of them in one place at one moment, while workers are killed
with SIGKILL. Afterwards it proves that

- no version is tokenised without valid tags, and the token index is what the tags say;
- no acknowledged write is lost: each client compares its own versions;
- nothing was answered with a 5xx, save for a 503 while a worker was down;
- the ledger is sound: one event for each achieved decision, in one chain, and a run backs one.

Prints figures, and each fault found; exit status 1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from stress_api import SOURCE, Api, tag_list
from stress_client import STRIKE_EVERY_S
from stress_proofs import faults
from stress_server import Killer, Server, serving
from stress_strikes import prepare
from stress_values import LASTING, SHARED_VERSIONS, SWAPPED

WRITERS = 32
EACH = 20
DOWN_S = 5.0
"""So long after a kill a request may still meet the dead worker."""
SHOWN_FAULTS = 40

Span = tuple[float, float]
"""Begin and end, in seconds of the system's clock."""
Trouble = Callable[[Server], AbstractContextManager[Sequence[Span]]]
"""What happens to a server during the random writes besides killed workers.

Afterwards it gives the times in which requests may have met no service because of it.
"""


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("database_uri", help="an empty database")
    parser.add_argument("--stock", action="store_true", help="only what stock MLflow loses")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hokusai-stress-") as name:
        return run(arguments.database_uri, Path(name), arguments, stock=arguments.stock)


def run(
    database_uri: str,
    folder: Path,
    arguments: argparse.Namespace,
    *,
    stock: bool = False,
    trouble: Trouble | None = None,
) -> int:
    """All of the run: writes, proofs and what is printed; 1 where a fault was found."""
    with serving(database_uri, folder, workers=arguments.workers, plugin=not stock) as server:
        found = _burst(server, tokenised=False)
        if not stock:
            found += _burst(server, tokenised=True)
            results, faults_seen = _random_writes(server, arguments, trouble or _no_trouble)
            found += faults_seen + _proofs(database_uri, results)
        log = server.text()
    _print_retries(log)
    if arguments.log:
        arguments.log.write_text(log)
    for fault in found[:SHOWN_FAULTS]:
        print(f"FAULT: {fault}")
    print(f"{len(found)} faults" if found else "no fault")
    return 1 if found else 0


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """The options of every such run."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kill-every", type=float, default=8, help="seconds; 0 kills nobody")
    parser.add_argument("--log", type=Path, help="where to keep the server's log")
    return parser


@contextmanager
def _no_trouble(_server: Server) -> Iterator[Sequence[Span]]:
    yield ()


def _burst(server: Server, *, tokenised: bool) -> list[str]:
    """32 writers make 20 versions each of one model at once."""
    model = "burst-tokenised" if tokenised else "burst"
    api = Api(server.url)
    api.write("POST", "registered-models/create", name=model)

    def write(writer: int) -> list[int]:
        own = Api(server.url, faults=api.faults, outages=api.outages)
        versions = []
        for number in range(EACH):
            value = f"{1000 - 10 * number - writer / 10:.1f}"
            tags = {"hokusai_token_id": "BURST-1", "benchmark_metric": "rmse"}
            sent = {**tags, "benchmark_value": value} if tokenised else {}
            reply = own.write(
                "POST", "model-versions/create", name=model, source=SOURCE, tags=tag_list(sent)
            )
            if reply.done:
                versions.append(int(reply.body["model_version"]["version"]))
        return versions

    begin = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as threads:
        made = [version for versions in threads.map(write, range(WRITERS)) for version in versions]
    seconds = time.monotonic() - begin
    wanted = WRITERS * EACH
    kind = "tokenised versions in one series" if tokenised else "versions of one model"
    print(
        f"{WRITERS} writers × {EACH} {kind}: {len(made)} of {wanted} succeeded, "
        f"{wanted - len(made)} lost, {len(made) / seconds:.0f}/s",
        flush=True,
    )
    found = api.faults + [f"outage without a kill: {outage}" for outage in api.outages]
    if sorted(made) != list(range(1, wanted + 1)):
        found.append(f"{model}: {len(made)} versions made, with gaps or repeats in their numbers")
    return found


def _random_writes(
    server: Server, arguments: argparse.Namespace, trouble: Trouble
) -> tuple[list[dict[str, Any]], list[str]]:
    """What each client knows, and the faults that were seen meanwhile."""
    _prepare(server, strikes=int(arguments.seconds / STRIKE_EVERY_S))
    killer = Killer(server, random.Random(arguments.seed), arguments.kill_every or 1e9)
    with killer.at_work(), trouble(server) as gaps:
        results = _run_clients(server, arguments)
    excuses = [*((kill, kill + DOWN_S) for kill in killer.kills), *gaps]
    statuses: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    found: list[str] = []
    outages = 0
    for result in results:
        statuses.update(result["statuses"])
        writes.update(result["writes"])
        found += result["faults"]
        outages += len(result["outages"])
        found += [
            f"outage without a kill: {outage}"
            for outage in result["outages"]
            if not _is_excused(outage, excuses)
        ]
    print(
        f"{arguments.clients} clients, {arguments.seconds} s, seed {arguments.seed}: "
        f"{statuses.total()} requests, {writes.total()} writes, of which {writes['done']} "
        f"acknowledged ({writes['done'] / arguments.seconds:.0f}/s), {writes['refused']} refused, "
        f"{writes['unknown']} of unknown outcome"
    )
    by_status = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"answers by status: {by_status}")
    print(f"{len(killer.kills)} workers killed, {outages} requests met one")
    return results, found


def _prepare(server: Server, strikes: int) -> None:
    """The models and versions that everybody writes to."""
    api = Api(server.url)
    for name in (*LASTING, SWAPPED[0]):
        api.write("POST", "registered-models/create", name=name)
        for _version in SHARED_VERSIONS:
            api.write("POST", "model-versions/create", name=name, source=SOURCE)
    prepare(api, strikes)
    if api.faults or api.outages:
        raise SystemExit(f"The server does not take plain writes: {api.faults} {api.outages}")


def _run_clients(server: Server, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    script = str(Path(__file__).with_name("stress_client.py"))
    until_s = str(time.time() + arguments.seconds)
    clients = [
        subprocess.Popen(
            [sys.executable, script, server.url, str(number), str(arguments.seed), until_s],
            stdout=subprocess.PIPE,
        )
        for number in range(arguments.clients)
    ]
    with ThreadPoolExecutor(len(clients)) as threads:
        printed = list(threads.map(lambda client: client.communicate()[0], clients))
    if any(client.returncode for client in clients):
        raise SystemExit("A client failed.")
    return [json.loads(each) for each in printed]


def _is_excused(outage: Sequence[Any], excuses: Sequence[Span]) -> bool:
    begin, end, _kind = outage
    return any(begin <= over and since <= end for since, over in excuses)


def _proofs(database_uri: str, results: Sequence[dict[str, Any]]) -> list[str]:
    engine = create_engine(database_uri)
    own = [version for result in results for version in result["own"]]
    found = list(faults(engine, own))
    print(f"{len(own)} versions compared with what their clients know")
    engine.dispose()
    return found


def _print_retries(log: str) -> None:
    causes = Counter(re.findall(r" lost a race \((\w+)\)", log))
    by_cause = ", ".join(f"{cause}: {count}" for cause, count in sorted(causes.items()))
    print(f"{causes.total()} writes begun again after a lost race ({by_cause or 'none'})")


if __name__ == "__main__":
    sys.exit(main())
