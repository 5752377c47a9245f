"""The stress run on PostgreSQL while its primary dies and a standby takes over.

    python benchmarks/failover.py [--seconds 60] [--away 5] [--seed 1] [--asynchronous] …

Makes two clusters in a temporary folder, the second a synchronous standby of the first, and a proxy
before them, and runs the stress run through that (``--hosts``: no proxy, the URI names both).
In the middle of the random writes

1. the standby's stream is cut, so that commits wait for it;
2. a second later every process of the primary is killed with SIGKILL, and a worker of the server;
3. for some seconds nothing answers;
4. the standby is promoted, and the proxy leads to it.

Then the proofs of stress.py must hold on the standby: nothing acknowledged is lost, no step is paid
twice. Only between 1 and a moment after 4 may a request be answered with 503 or not at all.

With ``--asynchronous`` the primary waits for no standby, and the run must find what is lost.
Needs PostgreSQL's own programs (Debian's ``postgresql``); where root runs it, a user ``postgres``.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clusters import Cluster, copy_of, give_to_postgres, make_primary, running
from stress import Span, argument_parser, run
from stress_api import Api
from stress_server import Server
from stress_values import LASTING
from switch import Switch, switching

CUT_S = 1.0
"""How long commits wait for the standby before the primary dies."""
POLL_S = 0.1
PATIENCE_S = 60
GRACE_S = 2.0
"""So long after the switch a request may still begin that finds no database."""


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--away", type=float, default=5, help="seconds from death to promotion")
    parser.add_argument("--hosts", action="store_true", help="no proxy: the URI names both")
    parser.add_argument("--asynchronous", action="store_true", help="lose what was acknowledged")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it cleans up then, too
    with tempfile.TemporaryDirectory(prefix="hokusai-failover-") as name, ExitStack() as stack:
        folder = Path(name)
        give_to_postgres(folder)
        pair = stack.enter_context(_pair(folder, synchronous=not arguments.asynchronous))
        failover = Failover(pair, arguments.seconds / 2, arguments.away)
        uri = pair.uri_of_both if arguments.hosts else pair.uri
        own = folder / "server"
        own.mkdir()
        return run(uri, own, arguments, trouble=failover.at_work)


@dataclass(frozen=True)
class Pair:
    """Two clusters, what leads the server to one of them, and the standby to the primary."""

    primary: Cluster
    standby: Cluster
    front: Switch
    stream: Switch

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.front.port}/mlflow"

    @property
    def uri_of_both(self) -> str:
        """The driver itself finds the one that takes writes."""
        hosts = "&".join(f"host=127.0.0.1:{each.port}" for each in (self.primary, self.standby))
        return f"postgresql+psycopg://postgres@/mlflow?{hosts}&target_session_attrs=read-write"


@contextmanager
def _pair(folder: Path, *, synchronous: bool) -> Iterator[Pair]:
    with ExitStack() as stack:
        front, stream = (stack.enter_context(switching()) for _each in range(2))
        make_primary(folder / "first")
        # Told to the primary alone: the standby must not wait for one of its own when promoted.
        waits = {"synchronous_standby_names": "second"} if synchronous else {}
        primary = stack.enter_context(running(folder / "first", **waits))
        copy_of(primary, folder / "second")
        stream.lead_to(primary.port)
        source = f"host=127.0.0.1 port={stream.port} user=postgres application_name=second"
        standby = stack.enter_context(running(folder / "second", primary_conninfo=source))
        state = "sync" if synchronous else "async"
        primary.wait_for(f"SELECT sync_state = '{state}' FROM pg_stat_replication")
        primary.ask("CREATE DATABASE mlflow")
        front.lead_to(primary.port)
        yield Pair(primary, standby, front, stream)


@dataclass
class Failover:
    """Lets the primary die once, and the standby take over."""

    pair: Pair
    after_s: float
    away_s: float
    gaps: list[Span] = field(default_factory=list)

    @contextmanager
    def at_work(self, server: Server) -> Iterator[Sequence[Span]]:
        """Do it while the block runs."""
        thread = threading.Thread(target=self._strike, args=(server,))
        thread.start()
        yield self.gaps
        thread.join()

    def _strike(self, server: Server) -> None:
        time.sleep(self.after_s)
        pair = self.pair
        begin = time.time()
        pair.stream.lead_to(None)
        time.sleep(CUT_S)
        pair.primary.kill()
        pair.front.lead_to(None)
        dead = time.time()
        first, *others = server.workers
        if others:
            os.kill(first, signal.SIGKILL)  # the one in its place starts without a database
        time.sleep(self.away_s)
        pair.standby.ask("SELECT pg_promote()")
        pair.front.lead_to(pair.standby.port)
        end = time.time()
        self.gaps.append((begin, end + GRACE_S))
        api = Api(server.url)
        back = {"name": LASTING[0], "key": "back", "value": "yes"}
        while (
            not api.write_model("POST", "set-tag", **back).done and time.time() < end + PATIENCE_S
        ):
            time.sleep(POLL_S)
        print(
            f"stream cut; {dead - begin:.1f} s later the primary dead, {len(others)} workers left; "
            f"{end - dead:.1f} s later the standby promoted; "
            f"{time.time() - end:.1f} s later a write acknowledged",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
