"""DeltaOnes of one workspace from many clients at once, beside the same transaction by hand.

Whoever earns holds the workspace's ledger row until the commit, since each event has the hash of
the one before. The loop by hand sends the same rows and takes the same locks with bare SQL, and
judges nothing.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
import uuid
from collections.abc import Callable
from typing import Any

from bench_databases import CONTRIBUTOR, tokenised
from bench_latency import ROUND_TRIP_MS, farther
from bench_timing import Figure
from sqlalchemy import Connection, create_engine, text

from hokusai_mlflow_plugin.store.mlflow_compat.database import engine_of
from hokusai_mlflow_plugin.store.registry_store import build_store

CLIENTS = 16
SECONDS = 8.0
WAIT_S = 120
SOURCE = "s3://bucket/model"
_DATA = 600 * "x"
_REASON = 110 * "x"
Earn = Callable[[int], object]

_MODEL = "SELECT * FROM registered_models WHERE workspace = 'default' AND name = :name"
_TOUCH = "UPDATE registered_models SET last_updated_time = :now" + _MODEL[_MODEL.index(" WHERE") :]
_NUMBER = "SELECT max(version) FROM model_versions WHERE workspace = 'default' AND name = :name"
_VERSION = (
    "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time,"
    " current_stage, source, storage_location, status)"
    " VALUES ('default', :name, :version, :now, :now, 'None', :source, :source, 'READY')"
)
_TAG = (
    "INSERT INTO model_version_tags (workspace, name, version, key, value)"
    " VALUES ('default', :name, :version, :key, :value)"
)
_JUDGED_BY = (
    "SELECT s.head_value, s.head_decision_id, d.name, d.version, o.workspace FROM hokusai_series s"
    " JOIN hokusai_decisions d"
    " ON d.workspace = s.workspace AND d.decision_id = s.head_decision_id"
    " LEFT JOIN hokusai_tokens o ON o.token_id = s.token_id"
    " WHERE s.workspace = 'default' AND s.token_id = :token AND s.benchmark_metric = 'mae'"
)
_HEADS = (
    "SELECT workspace, head_value FROM hokusai_series"
    " WHERE token_id = :token AND benchmark_metric = 'mae' ORDER BY workspace FOR UPDATE"
)
_SWAP = (
    "UPDATE hokusai_series SET head_value = :value, head_decision_id = :decision"
    " WHERE workspace = 'default' AND token_id = :token AND benchmark_metric = 'mae'"
    " AND head_decision_id = :head"
)
_LEDGER = "SELECT * FROM hokusai_reward_ledgers WHERE workspace = 'default' FOR UPDATE"
_TOTALS = (
    "SELECT deltaone_count FROM hokusai_payee_totals"
    " WHERE workspace = 'default' AND token_id = :token AND address = :address"
)
_WRITES = (
    "WITH decided AS (INSERT INTO hokusai_decisions (workspace, decision_id, name, decided_name,"
    " version, creation_time, token_id, benchmark_metric, value, outcome, direction,"
    " baseline_decision_id, baseline_value, improvement_pp, reason, evidence, decided_time)"
    " VALUES ('default', :decision, :name, :name, :version, :now, :token, 'mae', :value,"
    " 'achieved', 'minimize', :head, :head_value, '100', :reason, 'claimed', :now)),"
    " paid AS (UPDATE hokusai_payee_totals SET deltaone_count = deltaone_count + 1"
    " WHERE workspace = 'default' AND token_id = :token AND address = :address),"
    " event AS (INSERT INTO hokusai_reward_events (workspace, sequence, event_id, type,"
    " event_time, token_id, decision_id, data, previous_hash, hash)"
    " VALUES ('default', :sequence, :event, 'hokusai.deltaone.achieved', :now, :token, :decision,"
    " :data, :previous, :hash)),"
    " delivery AS (INSERT INTO hokusai_reward_deliveries (workspace, sequence, status, attempts,"
    " next_attempt_time, replayed_after) VALUES ('default', :sequence, 'pending', 0, :now, 0)),"
    " ledger AS (UPDATE hokusai_reward_ledgers SET last_sequence = :sequence, last_hash = :hash,"
    " totalled_sequence = :sequence WHERE workspace = 'default')"
    " INSERT INTO hokusai_token_index (workspace, name, version, token_id, benchmark_metric,"
    " benchmark_value, contributor_address, creation_time, decision_id)"
    " VALUES ('default', :name, :version, :token, 'mae', :value, :address, :now, :decision)"
)


def measure(database: str, uri: str, versions: int) -> list[Figure]:
    """DeltaOnes per second on PostgreSQL, near and farther.

    Near, the processors of one machine are the limit; farther, the ledger's row is.
    """
    if database != "postgresql":
        return []
    what = f"DeltaOnes of {CLIENTS} clients in one workspace, store"
    with farther(uri, ROUND_TRIP_MS) as there:
        return [
            _figure(database, uri, versions, what),
            _figure(database, there, versions, f"{what}, database {ROUND_TRIP_MS} ms away"),
        ]


def _figure(database: str, uri: str, versions: int, what: str) -> Figure:
    """Ours and by hand in turn, so that another load slows both."""
    rates: dict[str, list[float]] = {"ours": [], "by hand": []}
    for _round in range(2):
        for way, client in (("ours", _ours), ("by hand", _by_hand)):
            rates[way].append(_rate(uri, client))
    ours, by_hand = (sum(rates[way]) / len(rates[way]) for way in ("ours", "by hand"))
    peer = "the same transaction by hand"
    return Figure(database, versions, what, peer, ours, by_hand, "req/s", "≥0.8")


def _rate(uri: str, client: Callable[[str, str], Earn]) -> float:
    """DeltaOnes per second of all clients, each with a model and a series of its own."""
    forked = multiprocessing.get_context("fork")
    barrier, earned = forked.Barrier(CLIENTS), forked.Value("i", 0)

    def run() -> None:
        name = f"ledger-{uuid.uuid4().hex[:12]}"
        # Forked with what the parent has open: two processes on one connection read each other's.
        engine_of(uri).dispose(close=False)
        store: Any = build_store(f"hokusai+{uri}")
        store.create_registered_model(name)
        for step in range(2):  # the first version begins the series, the next one the totals
            tags = tokenised(name.upper(), str(10**6 - step), "mae")
            store.create_model_version(name, SOURCE, tags=tags)
        earn = client(uri, name)
        barrier.wait(WAIT_S)
        step, until = 2, time.monotonic() + SECONDS
        while time.monotonic() < until:
            earn(step)
            step += 1
        with earned.get_lock():
            earned.value += step - 2

    processes = [forked.Process(target=run, daemon=True) for _client in range(CLIENTS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("A client of the benchmark failed.")
    return int(earned.value) / SECONDS


def _ours(uri: str, name: str) -> Earn:
    store: Any = build_store(f"hokusai+{uri}")
    return lambda step: store.create_model_version(
        name, SOURCE, tags=tokenised(name.upper(), str(10**6 - step), "mae")
    )


def _by_hand(uri: str, name: str) -> Earn:
    engine = create_engine(uri)

    def earn(step: int) -> None:
        with engine.begin() as connection:
            _earn(connection, name, str(10**6 - step))

    return earn


def _earn(connection: Connection, name: str, value: str) -> None:
    now, token, address = int(time.time() * 1000), name.upper(), CONTRIBUTOR.lower()
    row: dict[str, Any] = {"name": name, "now": now, "token": token, "address": address}
    row |= {"source": SOURCE, "value": value, "decision": str(uuid.uuid4())}

    def send(statement: str, **more: Any) -> Any:
        return connection.execute(text(statement), row | more)

    send(_MODEL).one()
    send(_TOUCH)
    row["version"] = send(_NUMBER).scalar_one() + 1
    send(_VERSION)
    tags = [
        {"name": name, "version": row["version"], "key": tag.key, "value": tag.value}
        for tag in tokenised(token, value, "mae")
    ]
    connection.execute(text(_TAG), tags)
    judged_by = send(_JUDGED_BY).one()
    row |= {"head": judged_by.head_decision_id, "head_value": judged_by.head_value}
    send(_HEADS).all()
    send(_SWAP)
    ledger = send(_LEDGER).one()
    send(_TOTALS).one()
    digest = hashlib.sha256(f"{ledger.last_hash}{_DATA}".encode()).hexdigest()
    row |= {"sequence": ledger.last_sequence + 1, "previous": ledger.last_hash, "hash": digest}
    send(_WRITES, event=str(uuid.uuid4()), data=_DATA, reason=_REASON)
    # As MLflow does, which tells the version's aliases.
    send(_MODEL).one()
    send("SELECT * FROM registered_model_aliases WHERE workspace = 'default' AND name = :name")
