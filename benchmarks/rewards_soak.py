"""Rewards end to end: many clients, a flaky receiver, a dispatcher that is killed.

    python benchmarks/rewards_soak.py postgresql+psycopg://root@127.0.0.1/soak

On an empty database: a real ``mlflow server --app-name hokusai`` with several workers, clients that
register over HTTP, all into a few series, a receiver that fails, hangs and drops connections, and
``hokusai-mlflow rewards dispatch``, killed (SIGKILL) three times. In the end every DeltaOne must
have left exactly one event, every event must have arrived, and the ledger must be intact; then the
exit status is 0. It takes minutes, and never more than ``--deadline`` seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy import Engine, create_engine, text
from standardwebhooks import Webhook, WebhookVerificationError
from stress_server import serving

SECRET = "whsec_" + 43 * "S" + "="
TOKENS = 8
MODELS = 16
TIMEOUT_S = 1.0
HANG_S = 2.0
STEP = Decimal("0.006")
"""A series' values rise by this on average, so that every few of them is a DeltaOne."""


@dataclass
class FlakyReceiver:
    """Counts what it got; it answers well seven times of ten."""

    rng: random.Random
    url: str = ""
    requests: int = 0
    forged: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    order: list[tuple[int, str]] = field(default_factory=list)
    """Sequence and id of each event when it first came."""
    known: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def listening(self) -> Iterator[FlakyReceiver]:
        """Listen on a free port until the block ends."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._hear(self)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/hook"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield self
            server.shutdown()

    def _hear(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        try:
            event = Webhook(SECRET).verify(body, dict(handler.headers))
        except WebhookVerificationError:
            with self.lock:
                self.forged += 1
            return
        with self.lock:
            self.requests += 1
            if event["id"] not in self.known:
                self.known.add(event["id"])
                self.order.append((event["sequence"], event["id"]))
            answer = self.rng.choices(("well", "error", "drop", "hang"), (70, 15, 10, 5))[0]
            self.failures[answer] += 1
        if answer == "hang":
            time.sleep(HANG_S)
        if answer in ("well", "error"):
            handler.send_response(204 if answer == "well" else 500)
            handler.end_headers()


@dataclass
class Killed:
    """A dispatcher in a process of its own, killed and started again at certain registrations."""

    database_uri: str
    receiver: FlakyReceiver
    folder: Path
    at: Sequence[int]
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = {
            "HOKUSAI_REWARD_WEBHOOK_URL": self.receiver.url,
            "HOKUSAI_REWARD_WEBHOOK_SECRETS": SECRET,
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": "true",
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": "true",
            "HOKUSAI_REWARD_TIMEOUT_S": str(TIMEOUT_S),
            "HOKUSAI_REWARD_MAX_ATTEMPTS": "1000",
            "HOKUSAI_REWARD_RETRY_BASE_S": "0.2",
            "HOKUSAI_REWARD_RETRY_CAP_S": "2",
        }
        command = [*hokusai_mlflow("rewards", "dispatch"), self.database_uri, "--interval", "0.2"]
        with (self.folder / "dispatcher.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **settings}, stdout=log, stderr=log
            )

    def stop(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()

    def watch(self, done: Counter[str]) -> None:
        """Kill it in the middle of a delivery, when so many registrations are done."""
        heard = self.receiver.requests
        while self.kills < len(self.at):
            if done["registrations"] >= self.at[self.kills] and self.receiver.requests > heard:
                self.stop(signal.SIGKILL)
                self.kills += 1
                self.start()
                heard = self.receiver.requests
            time.sleep(0.001)


def hokusai_mlflow(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "hokusai-mlflow"), *arguments]


class Clients:
    """Registers rising values, in a few series, from many clients at once."""

    def __init__(self, url: str, registrations: int, seed: int) -> None:
        self._client = MlflowClient(url)
        self._registrations = registrations
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._begun = 0
        self._steps: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.latencies_ms: list[float] = []

    def prepare(self) -> None:
        for n in range(MODELS):
            self._client.create_registered_model(f"model-{n}")

    def run(self, _client: int) -> None:
        while work := self._next():
            name, token, value = work
            begin = time.perf_counter()
            self._client.create_model_version(
                name,
                "s3://bucket/model",
                tags={
                    "hokusai_token_id": token,
                    "benchmark_metric": "points",
                    "benchmark_value": value,
                    "benchmark_direction": "maximize",
                    "contributor": f"0x{int(token.removeprefix('TOK-')):040x}",
                },
                await_creation_for=0,
            )
            with self._lock:
                self.latencies_ms.append((time.perf_counter() - begin) * 1000)
                self.done["registrations"] += 1

    def _next(self) -> tuple[str, str, str] | None:
        with self._lock:
            if self._begun == self._registrations:
                return None
            self._begun += 1
            token = f"TOK-{self._rng.randrange(TOKENS)}"
            self._steps[token] += 1
            # Some repeat what was there, or fall behind it.
            step = self._steps[token] - self._rng.choice((0, 0, 0, 1, 2, 5))
            return f"model-{self._rng.randrange(MODELS)}", token, str(STEP * step)


@dataclass(frozen=True)
class Books:
    """What the database says in the end."""

    versions: int
    decisions: int
    achieved: int
    events: int
    pending: int
    attempts: int
    wrong_series: int

    @classmethod
    def read(cls, engine: Engine) -> Books:
        with engine.connect() as connection:

            def count(what: str) -> int:
                return int(connection.scalar(text(f"SELECT count(*) FROM {what}")))

            return cls(
                count("model_versions"),
                count("hokusai_decisions"),
                count("hokusai_decisions WHERE outcome = 'achieved'"),
                count("hokusai_reward_events"),
                count("hokusai_reward_deliveries WHERE status <> 'delivered'"),
                count("hokusai_reward_attempts"),
                sum(not _is_paid_exactly(*row) for row in connection.execute(text(_SERIES))),
            )


_SERIES = """
SELECT s.baseline_value, s.head_value, d.improvement_pp FROM hokusai_series s
LEFT JOIN (
    SELECT workspace, token_id, benchmark_metric, string_agg(improvement_pp, ' ') improvement_pp
    FROM hokusai_decisions WHERE outcome = 'achieved' GROUP BY 1, 2, 3
) d USING (workspace, token_id, benchmark_metric)
"""


def _is_paid_exactly(baseline: str, head: str, points: str | None) -> bool:
    """Whether what was paid in a series is the way from its baseline to its head."""
    paid = sum(map(Decimal, (points or "").split()), Decimal(0))
    return paid == (Decimal(head) - Decimal(baseline)) * 100


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
    dispatcher = Killed(uri, receiver, folder, [count // 4, count // 2, count * 3 // 4])
    engine = create_engine(uri)
    begin = time.perf_counter()
    with receiver.listening(), serving(uri, folder, workers=arguments.workers) as server:
        clients = Clients(server.url, count, arguments.seed)
        clients.prepare()
        dispatcher.start()
        try:
            killer = threading.Thread(target=dispatcher.watch, args=[clients.done], daemon=True)
            killer.start()
            begin_writing = time.perf_counter()
            with ThreadPoolExecutor(arguments.clients) as pool:
                list(pool.map(clients.run, range(arguments.clients)))
            written_s = time.perf_counter() - begin_writing
            killer.join()
            while Books.read(engine).pending:
                time.sleep(0.5)
            delivered_s = time.perf_counter() - begin_writing
        finally:
            dispatcher.stop(signal.SIGTERM)
    books = Books.read(engine)
    engine.dispose()
    verified = subprocess.run(
        [*hokusai_mlflow("rewards", "verify"), uri], capture_output=True, text=True, check=False
    )
    late = sum(
        sequence < best
        for (sequence, _id), best in zip(
            receiver.order, _running_maximum([s for s, _ in receiver.order]), strict=True
        )
    )
    quantiles = statistics.quantiles(clients.latencies_ms, n=100)
    print(
        f"{count} registrations from {arguments.clients} clients on {arguments.workers} workers "
        f"in {written_s:.1f} s ({count / written_s:.0f}/s), "
        f"median {quantiles[49]:.0f} ms, 99th percentile {quantiles[98]:.0f} ms\n"
        f"{books.versions} versions, {books.decisions} decisions, {books.achieved} achieved, "
        f"{books.events} events, {len(receiver.known)} distinct ids received\n"
        f"{receiver.requests} requests received ({dict(receiver.failures)}), "
        f"{books.attempts} attempts in the log, dispatcher killed {dispatcher.kills} times, "
        f"{late} first arrivals out of order, "
        f"all delivered {delivered_s - written_s:.1f} s after the last registration\n"
        f"rewards verify: {verified.stdout.strip()} (status {verified.returncode})\n"
        f"{time.perf_counter() - begin:.0f} s in all"
    )
    checks = {
        f"{books.versions} versions": books.versions == count,
        f"{books.decisions} decisions": books.decisions == count,
        "no DeltaOne": books.achieved > 0,
        "events differ from achieved decisions": books.events == books.achieved,
        "ids received differ from events": len(receiver.known) == books.events,
        f"{receiver.forged} requests did not verify": receiver.forged == 0,
        f"{books.wrong_series} series are not paid exactly": books.wrong_series == 0,
        f"killed {dispatcher.kills} times": dispatcher.kills == len(dispatcher.at),
        f"{late} first arrivals out of order": late <= dispatcher.kills,
        f"rewards verify: {verified.stdout}{verified.stderr}": verified.returncode == 0,
    }
    return [fault for fault, is_right in checks.items() if not is_right]


def _running_maximum(numbers: Sequence[int]) -> Iterator[int]:
    best = 0
    for number in numbers:
        best = max(best, number)
        yield best


if __name__ == "__main__":
    main()
