"""R21 in a database: what is signed, what follows from it, and who may sign at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import WorkspaceContext
from support.checkpoints import KEY, NEXT_KEY, STRANGERS_KEY, signed
from support.damage import run_sql
from support.racing import RacingWriter
from support.registry import TOKEN, VALUE, create_version, token_tags
from support.rewards import events, faults
from support.tampering import all_faults, change_row, read_table, reseal, rewrite_history

from hokusai_mlflow_plugin.db.schema.tables import checkpoints, ledgers, reward_events
from hokusai_mlflow_plugin.db.seals import sealed
from hokusai_mlflow_plugin.domain.checkpoints import Checkpoint
from hokusai_mlflow_plugin.domain.errors import LedgerRewritten
from hokusai_mlflow_plugin.domain.signed_notes import SigningKey, open_note, sign
from hokusai_mlflow_plugin.services.queries.checkpoints import get_checkpoint
from hokusai_mlflow_plugin.services.rewards.checkpoint_checks import given_faults, opened
from hokusai_mlflow_plugin.services.rewards.checkpoints import checkpoint_ledger
from hokusai_mlflow_plugin.services.rewards.ledger_verification import find_faults

ONE, TWO = "0x" + 40 * "1", "0x" + 40 * "2"

on_sqlite = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)


def register(store: Any, value: str, **tags: str) -> None:
    create_version(store, tags=token_tags(**{VALUE: value}, contributor_address=ONE, **tags))


@pytest.fixture
def registry(store: Any) -> Any:
    """A store with three events."""
    for value in ("0.50", "0.55", "0.60", "0.65"):
        register(store, value)
    return store


def rewritten(store: Any, kept: Checkpoint) -> list[str]:
    """The codes of what the database says other than a checkpoint that was kept."""
    with store.engine.connect() as connection:
        return [fault.code for fault in given_faults(connection, kept)]


def trusted_faults(store: Any, *keys: SigningKey) -> list[tuple[int, str]]:
    with store.engine.connect() as connection:
        found = find_faults(connection, [key.public for key in keys])
        return [(fault.sequence, fault.code) for fault in found]


def test_what_is_signed(registry: Any) -> None:
    """The end of the ledger: its id, the last event's number and hash, the time."""
    begin_ms = time.time_ns() // 1_000_000
    found = signed(registry)
    (tail,) = read_table(registry, ledgers)
    last = events(registry)[-1]
    assert found.is_new
    assert found.checkpoint == Checkpoint(
        tail["ledger_id"], 3, last["hash"], found.checkpoint.time_ms
    )
    assert begin_ms <= found.checkpoint.time_ms <= time.time_ns() // 1_000_000
    assert opened(found.note, [KEY.public]) == found.checkpoint
    assert registry.ask(get_checkpoint) == {
        "checkpoint": {
            "ledger_id": tail["ledger_id"],
            "sequence": 3,
            "hash": last["hash"],
            "timestamp": found.checkpoint.time_ms,
            "note": found.note,
            "public_keys": [str(KEY.public)],
        }
    }
    assert faults(registry) == []
    assert trusted_faults(registry, KEY) == []


def test_one_end_is_signed_once(registry: Any) -> None:
    """A ledger that has not gone on keeps its checkpoint; one that has gets a new one."""
    first = signed(registry)
    again = signed(registry)
    assert (again.checkpoint, again.note, again.is_new) == (first.checkpoint, first.note, False)
    register(registry, "0.70")
    second = signed(registry)
    assert (second.checkpoint.sequence, second.is_new) == (4, True)
    assert [row["sequence"] for row in read_table(registry, checkpoints)] == [3, 4]
    assert registry.ask(get_checkpoint)["checkpoint"]["sequence"] == 4
    assert rewritten(registry, first.checkpoint) == []
    assert faults(registry) == []


def test_before_the_first_event(store: Any) -> None:
    """There is nothing to sign, and the route says that there is no checkpoint."""
    create_version(store)
    assert checkpoint_ledger(store.engine, "default", [KEY], 1) is None
    with pytest.raises(MlflowException, match="no checkpoint") as refusal:
        store.ask(get_checkpoint)
    assert refusal.value.get_http_status_code() == 404


def test_a_rotation(registry: Any) -> None:
    """Both keys sign for a while; a checkpoint of before stays good by the old one."""
    old = signed(registry)
    both = signed(registry, NEXT_KEY, KEY)
    assert both.is_new
    assert both.checkpoint.sequence == old.checkpoint.sequence
    text, signers = open_note(both.note, [KEY.public, NEXT_KEY.public])
    assert (text, signers) == (both.checkpoint.text(), [NEXT_KEY.public, KEY.public])
    register(registry, "0.70")
    new = signed(registry, NEXT_KEY)
    assert registry.ask(get_checkpoint)["checkpoint"]["public_keys"] == [str(NEXT_KEY.public)]
    assert opened(old.note, [KEY.public]) == old.checkpoint
    assert opened(new.note, [NEXT_KEY.public]) == new.checkpoint
    # The newest has to be signed by a key that is trusted; older ones by those beside them.
    assert trusted_faults(registry, NEXT_KEY) == []
    assert trusted_faults(registry, KEY) == [(4, "checkpoint_unsigned")]


def test_a_rewrite_that_agrees_with_itself(registry: Any) -> None:
    """Whoever kept one checkpoint finds any rewrite before it, however well it was made."""
    kept = signed(registry)
    register(registry, "0.70")
    run_sql(registry, "DELETE FROM hokusai_reward_checkpoints")
    run_sql(registry, "DELETE FROM hokusai_state WHERE value = 'checkpoint'")
    rewrite_history(registry, TWO)
    assert events(registry)[0]["data"]["contributors"][0]["address"] == TWO
    assert all_faults(registry) == []
    assert rewritten(registry, kept.checkpoint) == ["checkpoint_differs"]
    with pytest.raises(LedgerRewritten, match="was rewritten"):
        signed(registry, kept=kept.checkpoint)


def test_a_rewrite_beside_its_checkpoint(registry: Any) -> None:
    """The checkpoint in the database contradicts it, and nothing more is signed."""
    signed(registry)
    rewrite_history(registry, TWO)
    assert all_faults(registry) == ["checkpoint_differs"]
    with pytest.raises(LedgerRewritten, match="Event 3 had hash"):
        signed(registry)
    register(registry, "0.70")
    with pytest.raises(LedgerRewritten):
        signed(registry)
    assert len(read_table(registry, checkpoints)) == 1


@on_sqlite
def test_a_rewrite_after_the_checkpoint(registry: Any) -> None:
    """What a checkpoint does not cover, it does not prove; the next one covers it."""
    early = signed(registry)
    register(registry, "0.70")
    (row,) = [each for each in read_table(registry, reward_events) if each["sequence"] == 4]
    change_row(registry, reward_events, row, hash="f" * 64)
    change_row(registry, ledgers, read_table(registry, ledgers)[0], last_hash="f" * 64)
    assert rewritten(registry, early.checkpoint) == []
    with pytest.raises(LedgerRewritten, match="Event 4 does not have the content"):
        signed(registry)


@on_sqlite
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM hokusai_reward_events WHERE sequence = 2", "Event 2 is gone"),
        ("DELETE FROM hokusai_reward_events WHERE sequence = 3", "Event 3 is gone"),
        ("UPDATE hokusai_reward_events SET data = '{' WHERE sequence = 2", "Event 2 is no JSON"),
        (f"UPDATE hokusai_reward_ledgers SET last_hash = '{64 * 'a'}'", "another hash"),
    ],
)
def test_a_broken_ledger_is_not_signed(registry: Any, statement: str, reason: str) -> None:
    """Who signs vouches for the chain, so it is followed before."""
    run_sql(registry, statement)
    with pytest.raises(LedgerRewritten, match=reason):
        signed(registry)
    assert read_table(registry, checkpoints) == []


@on_sqlite
def test_a_ledger_that_was_begun_anew(registry: Any) -> None:
    """Another ledger in the place of the first does not go on from its checkpoint."""
    kept = signed(registry)
    other = "11111111-2222-3333-4444-555555555555"
    run_sql(registry, "UPDATE hokusai_reward_ledgers SET ledger_id = :id", id=other)
    assert "checkpoint_differs" in all_faults(registry)
    assert rewritten(registry, kept.checkpoint) == ["ledger_removed"]
    with pytest.raises(LedgerRewritten, match="of ledger"):
        signed(registry)


@on_sqlite
def test_a_restored_backup(registry: Any) -> None:
    """A ledger that is shorter than a checkpoint of it is not gone on from."""
    kept = signed(registry).checkpoint
    longer = Checkpoint(kept.ledger_id, 9, kept.hash, kept.time_ms)
    assert rewritten(registry, longer) == ["checkpoint_differs"]
    with pytest.raises(LedgerRewritten, match="event 9 is gone"):
        signed(registry, kept=longer)


def forged(row: dict[str, Any], key: SigningKey, **changes: Any) -> dict[str, Any]:
    """A checkpoint as another one would sign it."""
    known = opened(row["note"], [KEY.public])
    claim = {
        "ledger_id": known.ledger_id,
        "sequence": known.sequence,
        "hash": known.hash,
        "time_ms": known.time_ms,
        **changes,
    }
    note = sign(Checkpoint(**claim).text(), [key])
    return sealed(checkpoints, {**row, "note": note, "public_keys": str(key.public)})


FORGED = {
    "another key": (STRANGERS_KEY, {}, "checkpoint_unsigned"),
    "another hash": (KEY, {"hash": "a" * 64}, "checkpoint_differs"),
    "another number": (KEY, {"sequence": 2}, "checkpoint_differs"),
    "another time": (KEY, {"time_ms": 1}, "checkpoint_differs"),
    "another ledger": (KEY, {"ledger_id": 36 * "a"}, "checkpoint_differs"),
}


@on_sqlite
@pytest.mark.parametrize("change", FORGED)
def test_a_checkpoint_that_was_put_in_its_place(registry: Any, change: str) -> None:
    """One of a stranger's key is told from ours by who knows ours; the rest by what it says."""
    key, changes, code = FORGED[change]
    signed(registry)
    (row,) = read_table(registry, checkpoints)
    change_row(registry, checkpoints, row, **forged(row, key, **changes))
    assert trusted_faults(registry, KEY) == [(3, code)]


@on_sqlite
def test_an_edited_checkpoint(registry: Any) -> None:
    """One that is no note any more is named, with a new seal, too; the route says so."""
    signed(registry)
    (row,) = read_table(registry, checkpoints)
    change_row(registry, checkpoints, row, note="edited")
    assert all_faults(registry) == ["checkpoint_unsigned", "checkpoint_edited"]
    reseal(registry)
    assert all_faults(registry) == ["checkpoint_unsigned"]
    with pytest.raises(LedgerRewritten, match="was edited"):
        signed(registry)
    with pytest.raises(MlflowException, match="cannot be read") as refusal:
        registry.ask(get_checkpoint)
    assert refusal.value.get_http_status_code() == 409


def test_all_checkpoints_removed(registry: Any) -> None:
    """The registry's state knows that there were some."""
    signed(registry)
    run_sql(registry, "DELETE FROM hokusai_reward_checkpoints")
    assert all_faults(registry) == ["checkpoint_missing"]


def test_each_workspace_has_its_own(store_factory: Any, monkeypatch: Any) -> None:
    """Each ledger is signed apart, and a rewrite of one leaves the other's proof as it is."""
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    store = store_factory()
    for workspace in ("team-a", "team-b"):
        with WorkspaceContext(workspace):
            for value in ("0.5", "0.6"):
                register(store, value, **{TOKEN: f"{workspace.upper()}-1"})
    found = {each: signed(store, workspace=each) for each in ("team-a", "team-b")}
    for workspace, one in found.items():
        with WorkspaceContext(workspace):
            assert store.ask(get_checkpoint)["checkpoint"]["note"] == one.note
    (first, second) = (one.checkpoint.ledger_id for one in found.values())
    assert first != second
    assert faults(store) == []
    run_sql(store, "DELETE FROM hokusai_reward_events WHERE workspace = 'team-a'")
    assert rewritten(store, found["team-a"].checkpoint) == ["checkpoint_differs"]
    assert rewritten(store, found["team-b"].checkpoint) == []
    with pytest.raises(LedgerRewritten, match="workspace team-a"):
        signed(store, workspace="team-a", kept=found["team-a"].checkpoint)


def test_signing_while_events_are_appended(registry: Any, database_uri: str) -> None:
    """Several who sign, beside writers: each checkpoint is of a ledger that was, and none fails."""
    writer = RacingWriter(database_uri, "racing")
    ends: list[int] = []

    def sign_for_a_while(key: SigningKey) -> list[Checkpoint]:
        found = []
        end = time.monotonic() + 5
        while time.monotonic() < end:
            found.append(signed(registry, key).checkpoint)
        return found

    try:
        writer.wait_until_begun()
        with ThreadPoolExecutor(3) as threads:
            made = list(threads.map(sign_for_a_while, (KEY, KEY, NEXT_KEY)))
    finally:
        writer.stop()
    hashes = {event["sequence"]: event["hash"] for event in all_events(registry)}
    for each in made:
        ends += [checkpoint.sequence for checkpoint in each]
        assert [c.sequence for c in each] == sorted(c.sequence for c in each)
        assert all(checkpoint.hash == hashes[checkpoint.sequence] for checkpoint in each)
    assert len(set(ends)) > 3
    assert faults(registry) == []
    # Of one end, each set of keys made one, or a few that raced; not one at each look.
    assert len(read_table(registry, checkpoints)) < len(ends)


def all_events(store: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := events(store, after=len(found)):
        found += page
    return found
