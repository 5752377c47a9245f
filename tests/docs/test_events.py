"""docs/events.md: its receiver and its check of the chain are run as they are written there."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from docs.blocks import ADDRESS, examples
from mlflow import MlflowClient
from sqlalchemy import text
from support import prepared
from support.receiver import OTHER_SECRET, SECRET
from support.registry import VALUE, create_version, token_tags
from support.rewards import events, name_payees, revoke
from support.servers import mlflow_server

from hokusai_mlflow_plugin.db.rewards import replays
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.services.rewards import dispatch
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher
from hokusai_mlflow_plugin.settings import _PARSERS
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
CHAIN, RECEIVER = (each.source for each in examples(PAGE) if each.language == "python")

on_sqlite = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(store) -> Any:
    """A store with three events."""
    for value in ("0.80", "0.82", "0.84", "0.86"):
        create_version(store, tags=token_tags(**{VALUE: value}, contributor="José 🎉"))
    return store


@contextmanager
def receiving(folder: Path, secret: str = SECRET) -> Iterator[str]:
    """Run the page's receiver until the block ends; where it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVER],
        cwd=folder,
        env={**os.environ, "REWARD_SECRET": secret, "PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _attempt in range(100):
            try:
                assert requests.post(url, timeout=5).status_code == 401
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def received(folder: Path) -> list[Any]:
    """What the page's receiver has kept, in the order of the events."""
    with sqlite3.connect(folder / "rewards.db") as connection:
        kept = [json.loads(event) for (event,) in connection.execute("SELECT event FROM events")]
    return sorted(kept, key=lambda event: event["sequence"])


def dispatcher(store: Any, url: str, *secrets: str) -> Dispatcher:
    receiver = dispatch.Receiver(url, secrets or (SECRET,))
    session = webhook_session(url, allow_private=True)
    return Dispatcher(store.engine, receiver, RetryPolicy(), session)


def replay_all(store: Any) -> None:
    """Make every event due again."""
    with store.engine.begin() as connection:
        for event in events(store):
            assert replays.replay(connection, "default", event["id"], 0)


def test_the_receiver_is_as_short_as_it_is_said():
    """A receiver that verifies, drops repeats and nets corrections takes about thirty lines."""
    assert len([line for line in RECEIVER.splitlines() if line.strip()]) <= 32


@on_sqlite
def test_the_receiver_nets_corrections(ledger, tmp_path):
    """What it says is owed is what stands, to the payees of now, whatever arrives first."""
    first, second, third = events(ledger)
    with receiving(tmp_path) as url:
        assert dispatcher(ledger, url).deliver_due() == 3
        assert [points for points, _payees in owed(tmp_path)] == ["2", "2", "2"]
        revoke(ledger, third["id"])
        address = "0x" + 40 * "a"
        name_payees(ledger, second["id"], f'[{{"address": "{address}", "weight": 10000}}]')
        assert dispatcher(ledger, url).deliver_due() == 2
        assert received(tmp_path) == events(ledger)
        payees = [[each["contributor"] for each in payees] for _points, payees in owed(tmp_path)]
        assert payees == [["José 🎉"], [address]]
    assert first["id"] not in (second["id"], third["id"])


@on_sqlite
def test_what_an_old_receiver_misses(ledger):
    """One that knows DeltaOnes alone pays what was revoked, and again what came in its place, and
    nobody where payees were named later; asked for by state, the feed has it pay what stands.
    """
    _first, second, third = events(ledger)
    revoke(ledger, third["id"])
    name_payees(ledger, second["id"], f'[{{"address": "0x{40 * "a"}", "weight": 10000}}]')
    create_version(ledger, tags=token_tags(**{VALUE: "0.85"}))

    def points(found: list[Any]) -> list[str]:
        return [e["data"]["improvement_pp"] for e in found if e["type"].endswith(".achieved")]

    assert points(events(ledger)) == ["2", "2", "2", "1"]
    assert not any(each["payable"] for each in second["data"]["contributors"])
    standing = [*events(ledger, state="recorded"), *events(ledger, state="delivered")]
    assert points(standing) == ["2", "2", "1"]


def owed(folder: Path) -> list[tuple[str, Any]]:
    """Points and payees of what the page's receiver says is owed, in the order of the events."""
    order = "(SELECT json_extract(event, '$.sequence') FROM events WHERE events.id = owed.id)"
    with sqlite3.connect(folder / "rewards.db") as connection:
        found = connection.execute(f"SELECT points, payees FROM owed ORDER BY {order}")
        return [(points, json.loads(payees)) for points, payees in found]


@on_sqlite
def test_the_receiver_keeps_each_event_once(ledger, tmp_path):
    """It verifies what the dispatcher sends, and a repeat changes nothing."""
    with receiving(tmp_path) as url:
        assert dispatcher(ledger, url).deliver_due() == 3
        replay_all(ledger)
        assert dispatcher(ledger, url).deliver_due() == 3
        assert received(tmp_path) == events(ledger)


@on_sqlite
def test_the_receiver_survives_a_restart(ledger, tmp_path):
    """What it has kept is still known after a restart, and what failed meanwhile comes later."""
    with receiving(tmp_path) as url:
        assert dispatcher(ledger, url).deliver_due(1) == 1
    assert dispatcher(ledger, url).deliver_due() == 2
    replay_all(ledger)
    with receiving(tmp_path) as url:
        assert dispatcher(ledger, url).deliver_due() == 3
        assert received(tmp_path) == events(ledger)


@on_sqlite
def test_the_receiver_refuses_what_is_not_signed(ledger, tmp_path):
    """Another secret, or none, is answered 401 and not kept."""
    with receiving(tmp_path) as url:
        dispatcher(ledger, url, OTHER_SECRET).deliver_due(1)
        body = json.dumps(events(ledger)[0])
        assert requests.post(url, data=body, timeout=5).status_code == 401
        assert received(tmp_path) == []
        with ledger.engine.connect() as connection:
            log = connection.execute(text("SELECT http_status FROM hokusai_reward_attempts"))
            assert log.scalars().all() == [401]


@on_sqlite
@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_the_receiver_during_a_rotation(ledger, tmp_path, secret):
    """With the old or with the new secret it verifies what is signed with both."""
    with receiving(tmp_path, secret) as url:
        dispatcher(ledger, url, SECRET, OTHER_SECRET).deliver_due()
        assert received(tmp_path) == events(ledger)


def test_the_chain_is_checked_from_the_feed(tmp_path):
    """The page's own program follows the chain over HTTP, and stops at an event that was edited."""
    with mlflow_server(tmp_path) as server:
        client = MlflowClient(server.uri)
        client.create_registered_model("model")
        for value in ("0.80", "0.82", "0.84"):
            tags = token_tags(**{VALUE: value}, contributor="José 🎉")
            client.create_model_version("model", "s3://bucket/model", tags=tags)
        assert run_chain(server.uri).stdout.startswith("2 events, the last with hash ")
        with sqlite3.connect(server.database_uri.removeprefix("sqlite:///")) as connection:
            connection.execute(
                "UPDATE hokusai_reward_events SET data = replace(data, 'José', 'Joe') "
                "WHERE sequence = 2"
            )
        assert "event 2 was edited" in run_chain(server.uri).stderr


def run_chain(address: str) -> subprocess.CompletedProcess[str]:
    return prepared.run(["-c", CHAIN.replace(ADDRESS, address)])


@on_sqlite
def test_every_field_is_explained(ledger):
    """Each field of a real event has its row, and no row is left over."""
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert explained == set(_keys(events(ledger)[0]))


@on_sqlite
def test_the_example_has_the_shape_of_an_event(ledger):
    """The event that the page shows has every field, and those of a real one."""
    shown = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert sorted(_keys(shown)) == sorted(_keys(events(ledger)[0]))


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def test_the_settings_that_it_names_exist():
    """No setting of the page is misspelt."""
    named = set(re.findall(r"HOKUSAI_[A-Z_]+", PAGE))
    assert len(named) >= 8
    assert named <= set(_PARSERS)


def test_the_retries_that_it_tells():
    """The page's numbers are the defaults."""
    policy = RetryPolicy()
    assert f"{policy.max_attempts} attempts" in PAGE
    assert f"after {policy.base_s:g} seconds at most" in PAGE
    assert f"up to {policy.cap_s / 3600:g} hours" in PAGE
    days = sum(policy.delay_s(n, 0.5) for n in range(1, policy.max_attempts)) / 86_400
    assert 1.25 < days < 1.75
