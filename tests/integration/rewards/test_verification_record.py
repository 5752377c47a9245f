"""What 'rewards verify' found is kept, for the page of the ledger."""

from __future__ import annotations

from support.registry import VALUE, create_version, token_tags

from hokusai_mlflow_plugin.db.schema.tables import verifications
from hokusai_mlflow_plugin.services.queries.ledger_pages import newest_events
from hokusai_mlflow_plugin.services.rewards import ledger_verification, verification_record
from hokusai_mlflow_plugin.services.rewards.ledger_faults import LedgerFault
from hokusai_mlflow_plugin.services.visibility import Visible

NOW = 1_800_000_000_000


def keep(store, *faults, time_ms=NOW):
    with store.engine.begin() as connection:
        last = verification_record.last_events(connection)
        verification_record.keep(connection, time_ms, last, faults)


def test_result_is_kept_and_replaced(store):
    """The page tells when the last verification was, how far it went, and its first faults."""
    for value in ("0.5", "0.6"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    assert store.ask(newest_events)["verification"] is None
    keep(store)
    found = store.ask(newest_events)["verification"]
    assert found == {
        "verified_time": NOW,
        "last_sequence": 1,
        "fault_count": 0,
        "faults": [],
    }
    own = LedgerFault("default", 1, "event_edited", "Event 1 was edited.")
    shared = LedgerFault("", 0, "state_missing", "Something is missing.")
    keep(store, shared, *[own] * 20, LedgerFault("other", 0, "head_differs", ""), time_ms=NOW + 1)
    found = store.ask(newest_events)["verification"]
    assert (found["verified_time"], found["fault_count"]) == (NOW + 1, 21)
    assert len(found["faults"]) == 10
    assert found["faults"][0]["code"] == "state_missing"


def test_who_sees_a_part_is_told_nothing_of_the_whole(store):
    """A verification tells how long the ledger is: it is for who may read all of it."""
    for value in ("0.5", "0.6"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    keep(store)
    assert store.ask(newest_events, visible=Visible(lambda _name: True))["verification"] is None


def test_edited_result_is_a_fault(store):
    """A result that somebody changed in the database is named by the next verification."""
    for value in ("0.5", "0.6"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    keep(store)
    with store.engine.begin() as connection:
        assert list(ledger_verification.find_faults(connection)) == []
        connection.execute(verifications.update().values(fault_count=7, faults="no JSON"))
        (fault,) = ledger_verification.find_faults(connection)
    assert (fault.workspace, fault.code) == ("default", "verification_edited")
    assert store.ask(newest_events)["verification"]["faults"] == []
