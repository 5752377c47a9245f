"""R9 and R10 under load: long sequences, several processes, some killed at any moment."""

from __future__ import annotations

import random
import time

from support.decision_machine import run_any_writes
from support.killed import killable
from support.racing import THREADS, RacingWriter
from support.receiver import receiving
from support.rewards import assert_sound, decided_rows, events

PROCESSES = 3


def test_many_sequences_of_writes(store):
    """What holds for short sequences of writes holds for long ones."""
    run_any_writes(store, sequences=20, writes=80)


def test_processes_race_in_one_series(database_uri, store):
    """Several processes with several threads each, all in one series: no write fails, and every
    version is decided on, one after the other.
    """
    writers = [RacingWriter(database_uri, f"writer-{n}") for n in range(PROCESSES)]
    for writer in writers:
        writer.wait_until_begun()
    _wait_for_decisions(store, 25 * PROCESSES)
    for writer in writers:
        writer.stop()
    decided = decided_rows(store)
    assert len({row["name"] for row in decided}) == PROCESSES * THREADS
    assert {"baseline", "achieved"} <= {row["outcome"] for row in decided}
    assert_sound(store)


def test_writers_are_killed_at_random_moments(database_uri, store):
    """Each kill takes whatever its process was writing, whole or not at all, and holds up no other:
    the writers that are left go on in the same series.
    """
    rng = random.Random(1)
    lasting = RacingWriter(database_uri, "lasting")
    lasting.wait_until_begun()
    for n in range(3):
        mortal = RacingWriter(database_uri, f"mortal-{n}")
        mortal.wait_until_begun()
        _wait_for_decisions(store, len(decided_rows(store)) + 10)
        time.sleep(rng.random() / 5)
        mortal.kill()
        assert_sound_versions(store)
        _wait_for_decisions(store, len(decided_rows(store)) + 5)
    lasting.stop()
    assert_sound_versions(store)
    assert_sound(store)


def test_dispatchers_are_killed_while_events_come_in(database_uri, store):
    """A dispatcher that dies again and again, at another point each time, while two processes earn:
    in the end every event has arrived, under one id.
    """
    writers = [RacingWriter(database_uri, f"writer-{n}") for n in range(2)]
    for writer in writers:
        writer.wait_until_begun()
    with receiving() as receiver:
        with killable("support.killed_tasks:dispatching", database_uri, receiver.url) as process:
            for death in range(9):
                _wait_for_decisions(store, len(decided_rows(store)) + 4)
                process.run(kill_at=1 + 4 * death, ahead_s=100 * death)
            for writer in writers:
                writer.stop()
            assert process.run(ahead_s=1300)
            assert process.run(ahead_s=1400)
        ids = []
        while page := events(store, after=len(ids)):
            ids += [event["id"] for event in page]
        assert set(receiver.ids) == set(ids)
        assert all(delivery.event is not None for delivery in receiver.heard)
    assert_sound(store)


def assert_sound_versions(store):
    """Every version has its decision, and every decision its version."""
    with store.engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT v.name, v.version, i.decision_id, d.decision_id FROM model_versions v "
            "LEFT JOIN hokusai_token_index i ON i.name = v.name AND i.version = v.version "
            "LEFT JOIN hokusai_decisions d ON d.name = v.name AND d.version = v.version"
        ).all()
    assert found
    assert all(indexed is not None and indexed == decided for _n, _v, indexed, decided in found)


def _wait_for_decisions(store, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(decided_rows(store)) < count:
        assert time.monotonic() < deadline, "the writers stand still"
        time.sleep(0.05)
