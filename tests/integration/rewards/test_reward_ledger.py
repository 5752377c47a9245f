"""The reward ledger: what an event holds, its order, its chain, and what its verification finds."""

from __future__ import annotations

import json
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import text
from support.refusals import refused
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import assert_sound, codes, decision, events, faults, own_hash, paid, rows
from support.tampering import reseal

from hokusai_mlflow_plugin.domain.delta import percentage_points
from hokusai_mlflow_plugin.services.queries.reward_events import list_events
from hokusai_mlflow_plugin.services.rewards import ledger_faults

SPECIFIED = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
"""The specification's own example, whose EIP-55 checksum is wrong."""
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
"""An example of EIP-55, whose checksum is right."""
ONE, TWO = "0x" + 40 * "1", "0x" + 40 * "2"

STEPS = ("0.50", "0.55", "0.60", "0.65", "0.70")


def register(store: Any, value: str, name: str = "model", **others: str) -> Any:
    """A version that is tokenised from the start."""
    return create_version(store, name, token_tags(**{VALUE: value}, **others))


@pytest.fixture
def ledger(store):
    """A store with four events in one chain, sequence 1 to 4."""
    for value in STEPS:
        register(store, value, contributor=ONE)
    assert codes(store) == []
    return store


def tamper(store: Any, *statements: str, **parameters: Any) -> None:
    """Do what somebody with write access to the database could do."""
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), parameters)


def read_rows(store: Any, table: str = "hokusai_reward_events") -> list[dict[str, Any]]:
    """The rows of a table, events in their order."""
    with store.engine.connect() as connection:
        return sorted(rows(connection, table), key=lambda row: row.get("sequence", 0))


def insert(store: Any, table: str, row: dict[str, Any]) -> None:
    """Add a row."""
    columns = ", ".join(row)
    values = ", ".join(f":{column}" for column in row)
    tamper(store, f"INSERT INTO {table} ({columns}) VALUES ({values})", **row)


def test_an_event(store):
    """An event tells which version earned what, by how much, against what, and for whom."""
    register(store, "0.850", name="first")
    run_id = uuid.uuid4().hex
    tags = token_tags(**{VALUE: "0.8700"}, contributor_address=SPECIFIED)
    create_version(store, "second", tags, run_id=run_id)
    (event,) = events(store)
    assert uuid.UUID(event.pop("id")).version == 5
    assert event.pop("timestamp") == decision(store, "second")["decided_timestamp"]
    assert len(event.pop("hash")) == 64
    assert event == {
        "sequence": 1,
        "type": "hokusai.deltaone.achieved",
        "token_id": "IMG-001",
        "data": {
            "workspace": "default",
            "token_id": "IMG-001",
            "name": "second",
            "version": "1",
            "run_id": run_id,
            "benchmark_metric": "accuracy",
            "direction": "maximize",
            "baseline": {"name": "first", "version": "1", "value": "0.85"},
            "value": "0.87",
            "improvement_pp": "2",
            "threshold_pp": "1",
            "unit": "proportion",
            "evidence": "claimed",
            "contributors": [
                {
                    "contributor": SPECIFIED,
                    "address": SPECIFIED.lower(),
                    "weight": 10_000,
                    "payable": True,
                    "note": "checksum_mismatch",
                }
            ],
        },
        "previous_hash": 64 * "0",
    }
    assert_sound(store)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, []),
        ({"contributor": CHECKSUMMED}, [(CHECKSUMMED.lower(), 10_000, True, None)]),
        ({"contributor": ONE, "contributor_address": ONE}, [(ONE, 10_000, True, None)]),
        ({"contributor": "0x123..."}, [(None, 10_000, False, "not_payable")]),
        ({"contributor_address": 'José 🎉 \u0001\\"'}, [(None, 10_000, False, "not_payable")]),
        (
            {
                "contributors": json.dumps(
                    [{"address": ONE, "weight": 2_500}, {"address": SPECIFIED, "weight": 7_500}]
                )
            },
            [
                (ONE, 2_500, True, None),
                (SPECIFIED.lower(), 7_500, True, "checksum_mismatch"),
            ],
        ),
    ],
)
def test_contributors_in_the_event(store, tags, expected):
    """Nobody, one, or several by weight; whether payable, and what is odd about the address."""
    register(store, "0.85")
    register(store, "0.87", **tags)
    found = events(store)[0]["data"]["contributors"]
    assert [(c["address"], c["weight"], c["payable"], c["note"]) for c in found] == expected
    assert_sound(store)


def shares(*pairs: tuple[Any, Any]) -> str:
    return json.dumps([{"address": address, "weight": weight} for address, weight in pairs])


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (shares((ONE, 6_000), (TWO, 3_999)), "the weights sum to 9999"),
        (shares((ONE, 6_000), (TWO, 4_001)), "the weights sum to 10001"),
        (shares((ONE, 5_000), (ONE, 5_000)), "an address is there twice"),
        (shares((SPECIFIED, 5_000), (SPECIFIED.lower(), 5_000)), "an address is there twice"),
        (shares((ONE, 10_001), (TWO, -1)), "no whole basis points"),
        (shares((ONE, 10_000), (TWO, 0)), "no whole basis points"),
        (shares((ONE, 10_000.0)), "no whole basis points"),
        (shares((ONE, "10000")), "no whole basis points"),
        (shares((ONE, True), (TWO, 9_999)), "no whole basis points"),
        (shares(("alice", 10_000)), "no Ethereum address"),
        (shares((ONE + "1", 10_000)), "no Ethereum address"),
        (shares((None, 10_000)), "no Ethereum address"),
        (shares(), "not a list of 1 to 100"),
        ("{}", "not a list"),
        ("null", "not a list"),
        ("alice", "contributors invalid"),
        ("", "contributors invalid"),
        (f'[{{"address": "{ONE}"}}]', "each entry needs exactly"),
        (f'[{{"address": "{ONE}", "weight": 10000, "name": "a"}}]', "each entry needs exactly"),
        (f'[{{"address": "{ONE}", "weight": 1, "weight": 10000}}]', "a key is there twice"),
        ("[" * 60_000, "contributors invalid"),
        ('[{"address": "' + ONE + '", "weight": ' + 5_000 * "9" + "}]", "contributors invalid"),
        (shares(*((f"0x{n:040x}", 99) for n in range(101))), "not a list of 1 to 100"),
    ],
)
def test_faulty_contributors(store, value, fault):
    """Each fault of the list is refused, at creation and later."""
    register(store, "0.85")
    with refused(store, fault):
        register(store, "0.87", contributors=value)
    with refused(store, fault):
        set_tag(store, "model", 1, "contributors", value)


@pytest.mark.parametrize("other", ["contributor", "contributor_address"])
def test_a_list_and_a_single_contributor(store, other):
    """The list names everybody: beside it no single contributor may stand."""
    register(store, "0.85")
    with refused(store, "lists every contributor"):
        register(store, "0.87", contributors=shares((ONE, 10_000)), **{other: ONE})


def test_ids_are_deterministic(store):
    """The id follows from the ledger, the series and the head that was beaten, and nothing else."""
    register(store, "0.85")
    register(store, "0.87")
    (event,) = events(store)
    (ledger_row,) = read_rows(store, "hokusai_reward_ledgers")
    step = '["IMG-001","accuracy","0.85"]'
    assert event["id"] == str(uuid.uuid5(uuid.UUID(ledger_row["ledger_id"]), step))


def test_a_second_event_for_one_step_is_impossible(ledger):
    """The database itself refuses a second event with the same id."""
    row = read_rows(ledger)[-1]
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        insert(ledger, "hokusai_reward_events", {**row, "sequence": 5})
    assert codes(ledger) == []


def test_feed(ledger):
    """The feed goes on after a sequence number, in order, and can be kept to one token."""
    register(ledger, "0.1", name="other", hokusai_token_id="OTHER-1")
    register(ledger, "0.3", name="other", hokusai_token_id="OTHER-1")
    assert [event["sequence"] for event in events(ledger)] == [1, 2, 3, 4, 5]
    assert [event["sequence"] for event in events(ledger, after=3)] == [4, 5]
    assert events(ledger, after=5) == []
    assert [event["sequence"] for event in events(ledger, token_id="OTHER-1")] == [5]
    assert [event["sequence"] for event in events(ledger, token_id="IMG-001", after=2)] == [3, 4]
    page = ledger.ask(list_events, after=1, max_results=2)["reward_events"]
    assert [event["sequence"] for event in page] == [2, 3]


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"after": -1}, "Parameter after"),
        ({"after": 2**63}, "Parameter after"),
        ({"token_id": "img"}, "Token ID format invalid"),
    ],
)
def test_feed_refuses_wrong_parameters(store, parameters, fault):
    """A wrong parameter is a wrong request."""
    with pytest.raises(MlflowException, match=fault) as caught:
        events(store, **parameters)
    assert caught.value.get_http_status_code() == 400


@pytest.mark.parametrize("max_results", [0, 1001, -1])
def test_feed_refuses_wrong_page_sizes(store, max_results):
    """A page has 1 to 1000 events."""
    with pytest.raises(MlflowException, match="from 1 to 1000"):
        store.ask(list_events, max_results=max_results)


def test_sequence_has_no_gaps_while_it_is_written(store_factory):
    """Eight writers in eight series, and a reader who only ever asks for what is after the last
    event it saw: it misses none and sees none twice. Its verification finds nothing meanwhile.
    """
    store = store_factory()
    writing = threading.Event()
    writing.set()

    def write(writer: int) -> None:
        own = store_factory_of[writer]
        for step in range(10):
            tags = token_tags(**{TOKEN: f"TOK-{writer}", VALUE: f"0.{step + 10}"})
            create_version(own, f"model-{writer}", tags)

    def read() -> list[int]:
        seen: list[int] = []
        while True:
            last_look = not writing.is_set()
            found = events(store, after=seen[-1] if seen else 0)
            seen.extend(event["sequence"] for event in found)
            if last_look and not found:
                return seen

    def verify() -> list[Any]:
        found = []
        while writing.is_set():
            found += faults(store)
        return found

    store_factory_of = [store_factory() for _writer in range(8)]
    with ThreadPoolExecutor(10) as pool:
        reader, verifier = pool.submit(read), pool.submit(verify)
        writers = [pool.submit(write, writer) for writer in range(8)]
        try:
            for writer in writers:
                writer.result()
        finally:
            writing.clear()
        assert reader.result() == list(range(1, 73))
        assert verifier.result() == []
    assert_sound(store)


def test_an_untouched_ledger_is_clean(ledger):
    """Nothing is found where nothing was done, nor in an empty ledger."""
    assert faults(ledger) == []
    assert_sound(ledger)


EDITS = {
    "value": ("data", '"value":"0.6"', '"value":"0.9"'),
    "improvement": ("data", '"improvement_pp":"5"', '"improvement_pp":"50"'),
    "contributor": ("data", ONE, TWO),
    "run": ("data", '"run_id":null', '"run_id":"a"'),
}


@pytest.mark.parametrize(("column", "old", "new"), EDITS.values(), ids=EDITS)
def test_an_edited_payload(ledger, column, old, new):
    """Whatever is edited, the hash does not fit any more."""
    (row,) = [row for row in read_rows(ledger) if row["sequence"] == 2]
    assert old in row[column]
    tamper(
        ledger,
        f"UPDATE hokusai_reward_events SET {column} = :new WHERE sequence = 2",
        new=row[column].replace(old, new),
    )
    assert (2, "event_edited") in codes(ledger)
    assert {sequence for sequence, _code in codes(ledger)} == {2}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("token_id", "IMG-002"),
        ("event_time", 1),
        ("type", "other"),
        ("event_id", "another"),
        ("hash", 64 * "f"),
        ("previous_hash", 64 * "f"),
        ("data", "{}"),
        ("data", "[]"),
        ("data", "no JSON"),
        ("data", '{"value": NaN}'),
        ("data", '{"value": 1e400}'),
        ("data", "9" * 40),
        ("data", '{"value": ' + 5_000 * "[" + 5_000 * "]" + "}"),
    ],
)
def test_an_edited_column(ledger, column, value):
    """No column of an event can be edited unseen, and no content stops the verification."""
    tamper(
        ledger,
        f"UPDATE hokusai_reward_events SET {column} = :value WHERE sequence = 2",
        value=value,
    )
    assert (2, "event_edited") in codes(ledger)


def test_an_event_pointed_at_another_decision(ledger):
    """The decision that an event stands for cannot be exchanged."""
    other = read_rows(ledger)[0]["decision_id"]
    tamper(
        ledger,
        "UPDATE hokusai_reward_events SET decision_id = :other WHERE sequence = 2",
        other=other,
    )
    found = codes(ledger)
    assert (2, "decision_differs") in found
    assert (0, "decision_repeated") in found
    assert (0, "event_missing") in found


def test_an_edit_with_a_new_hash(ledger):
    """Who computes the edited event's hash anew breaks the chain at the next one."""
    row = read_rows(ledger)[1]
    row["data"] = row["data"].replace(ONE, TWO)
    tamper(
        ledger,
        "UPDATE hokusai_reward_events SET data = :data, hash = :hash WHERE sequence = 2",
        data=row["data"],
        hash=own_hash(row),
    )
    assert codes(ledger) == [(2, "payees_differ"), (3, "chain_broken")]


def test_an_edit_of_the_last_with_a_new_hash(ledger):
    """And at the last event, the ledger's own end."""
    row = read_rows(ledger)[3]
    row["data"] = row["data"].replace(ONE, TWO)
    tamper(
        ledger,
        "UPDATE hokusai_reward_events SET data = :data, hash = :hash WHERE sequence = 4",
        data=row["data"],
        hash=own_hash(row),
    )
    assert codes(ledger) == [(4, "payees_differ"), (4, "end_differs")]


@pytest.mark.parametrize("sequence", [1, 2, 4])
def test_a_removed_event(ledger, sequence):
    """The first, one in the middle, the last: the gap is found, and the decision left alone."""
    tamper(ledger, f"DELETE FROM hokusai_reward_events WHERE sequence = {sequence}")
    assert set(codes(ledger)) == {(sequence, "event_removed"), (0, "event_missing")}


def test_several_removed_events(ledger):
    """A gap is one fault that names its ends; the ledger emptied, all of it."""
    tamper(ledger, "DELETE FROM hokusai_reward_events WHERE sequence IN (2, 3)")
    (fault,) = [fault for fault in faults(ledger) if fault.code == "event_removed"]
    assert fault.message == "Events 2 to 3 are gone."
    tamper(ledger, "DELETE FROM hokusai_reward_events")
    (fault,) = [fault for fault in faults(ledger) if fault.code == "event_removed"]
    assert fault.message == "Events 1 to 4 are gone."


def test_the_last_event_removed_and_the_ledger_set_back(ledger):
    """The decision still says that there was one, and so do the totals of payees."""
    tamper(
        ledger,
        "DELETE FROM hokusai_reward_events WHERE sequence = 4",
        "UPDATE hokusai_reward_ledgers SET last_sequence = 3, last_hash = "
        "(SELECT hash FROM hokusai_reward_events WHERE sequence = 3)",
    )
    assert set(codes(ledger)) == {(0, "event_missing"), (0, "payee_totals_differ")}


def test_events_and_ledger_removed(ledger):
    """A ledger that is gone as a whole is missed too."""
    tamper(ledger, "DELETE FROM hokusai_reward_events", "DELETE FROM hokusai_reward_ledgers")
    assert codes(ledger) == [(0, "ledger_removed")] + 4 * [(0, "event_missing")]


def test_decisions_removed_too(ledger):
    """And with its decisions gone as well, the head and the index that nothing explains."""
    tables = ("reward_events", "reward_ledgers", "decisions")
    tamper(ledger, *(f"DELETE FROM hokusai_{table}" for table in tables))
    assert {code for _sequence, code in codes(ledger)} == {
        "ledger_removed",
        "head_differs",
        "series_baseline_differs",
        "indexed_decision_missing",
    }


def test_two_swapped_events(ledger):
    """Events 2 and 3 in the other's place."""
    tamper(
        ledger,
        "UPDATE hokusai_reward_events SET sequence = 99 WHERE sequence = 2",
        "UPDATE hokusai_reward_events SET sequence = 2 WHERE sequence = 3",
        "UPDATE hokusai_reward_events SET sequence = 3 WHERE sequence = 99",
    )
    found = codes(ledger)
    assert {(2, "event_edited"), (3, "event_edited"), (2, "chain_broken")} <= set(found)


def test_two_swapped_payloads(ledger):
    """The same by exchanging their content."""
    two, three = read_rows(ledger)[1:3]
    for sequence, row in ((2, three), (3, two)):
        tamper(
            ledger,
            f"UPDATE hokusai_reward_events SET data = :data WHERE sequence = {sequence}",
            data=row["data"],
        )
    assert {(2, "event_edited"), (3, "event_edited")} <= set(codes(ledger))


def forge(store: Any, *, decision_id: str | None = None, data: str | None = None) -> None:
    """Append an event with a correct hash, as if the registry had written it."""
    last = read_rows(store)[-1]
    row = {
        **last,
        "sequence": last["sequence"] + 1,
        "event_id": str(uuid.uuid4()),
        "decision_id": decision_id or str(uuid.uuid4()),
        "data": data or last["data"].replace(ONE, TWO),
        "previous_hash": last["hash"],
    }
    row["hash"] = own_hash(row)
    insert(store, "hokusai_reward_events", row)
    delivery = read_rows(store, "hokusai_reward_deliveries")[-1]
    insert(store, "hokusai_reward_deliveries", {**delivery, "sequence": row["sequence"]})
    reseal(store)


def advance_ledger(store: Any) -> None:
    """Make the ledger's own row say that the last event belongs to it."""
    last = read_rows(store)[-1]
    tamper(
        store,
        "UPDATE hokusai_reward_ledgers SET last_sequence = :sequence, last_hash = :hash",
        sequence=last["sequence"],
        hash=last["hash"],
    )


def test_a_forged_event(ledger):
    """An appended event with a correct hash lies behind the ledger's end."""
    forge(ledger)
    assert (5, "event_added") in codes(ledger)


def test_a_forged_event_with_the_ledger_advanced(ledger):
    """Where the ledger was moved along, no decision stands behind the event."""
    forge(ledger)
    advance_ledger(ledger)
    found = {(5, "event_malformed"), (5, "decision_differs"), (5, "id_differs")}
    assert set(codes(ledger)) == found


def test_a_forged_event_for_a_decision_that_was_paid(ledger):
    """A second event for a real decision, with another payee, is a repetition under a wrong id."""
    last = read_rows(ledger)[-1]
    forge(ledger, decision_id=last["decision_id"])
    advance_ledger(ledger)
    assert codes(ledger) == [
        (5, "id_differs"),
        (5, "payees_differ"),
        (0, "decision_repeated"),
    ]


def test_a_forged_event_with_a_forged_decision(ledger):
    """Who forges the decision too has measured against a head that was left already."""
    last = read_rows(ledger)[-1]
    real = [
        row
        for row in read_rows(ledger, "hokusai_decisions")
        if row["decision_id"] == last["decision_id"]
    ]
    forged = {**real[0], "decision_id": str(uuid.uuid4())}
    insert(ledger, "hokusai_decisions", forged)
    forge(ledger, decision_id=forged["decision_id"])
    advance_ledger(ledger)
    assert codes(ledger) == [
        (5, "id_differs"),
        (5, "payees_differ"),
        (0, "head_left_twice"),
    ]


@pytest.mark.parametrize("sequence", [0, -1, 10**15])
def test_a_forged_event_out_of_sequence(ledger, sequence):
    """An event before the first or far behind the last is found, in bounded time."""
    row = {
        **read_rows(ledger)[0],
        "sequence": sequence,
        "event_id": str(uuid.uuid4()),
        "decision_id": str(uuid.uuid4()),
    }
    row["hash"] = own_hash(row)
    insert(ledger, "hokusai_reward_events", row)
    assert (sequence, "event_added") in codes(ledger)


@pytest.mark.parametrize("head", ["0.1", "0.65"])
def test_a_head_that_was_set_back(ledger, head):
    """A lowered head would let the same step be paid again."""
    tamper(ledger, "UPDATE hokusai_series SET head_value = :head", head=head)
    assert codes(ledger) == [(0, "head_differs")]


def test_a_head_that_was_set_back_to_an_earlier_decision(ledger):
    """A head that was left already is no head, also where value and decision fit each other.

    Nor could that step be paid again: its event's id is taken.
    """
    third = read_rows(ledger)[2]
    tamper(
        ledger,
        "UPDATE hokusai_series SET head_value = '0.65', head_decision_id = :decision",
        decision=third["decision_id"],
    )
    assert codes(ledger) == [(0, "head_differs")]
    before = paid(ledger)
    with pytest.raises(MlflowException):
        register(ledger, "0.70")
    assert paid(ledger) == before


def test_an_edited_decision(ledger):
    """A decision that was made to say something else contradicts its event, and the next one."""
    decision_id = read_rows(ledger)[1]["decision_id"]
    tamper(
        ledger,
        "UPDATE hokusai_decisions SET value = '0.61' WHERE decision_id = :decision",
        decision=decision_id,
    )
    contradictions = [(2, "decision_differs"), (0, "baseline_differs"), (0, "verdict_differs")]
    assert set(codes(ledger)) == {*contradictions, (0, "decision_edited")}
    reseal(ledger)
    assert codes(ledger) == contradictions


def test_a_decision_that_was_made_achieved(ledger):
    """An outcome that was turned into a DeltaOne has no event."""
    register(ledger, "0.705")
    tamper(ledger, "UPDATE hokusai_decisions SET outcome = 'achieved' WHERE value = '0.705'")
    assert (0, "event_missing") in codes(ledger)


def rewrite_last(store: Any, **changes: Any) -> None:
    """Change the last event, and all that is derived from its content."""
    row = {**read_rows(store)[-1], **changes}
    tamper(
        store,
        "UPDATE hokusai_reward_events SET event_id = :event_id, data = :data, hash = :hash "
        "WHERE sequence = :sequence",
        **{key: row[key] for key in ("event_id", "data", "sequence")},
        hash=own_hash(row),
    )
    advance_ledger(store)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version":"5"', '"version":"4"'),
        ('"direction":"maximize"', '"direction":"minimize"'),
        ('"evidence":"claimed"', '"evidence":"run_backed"'),
    ],
)
def test_an_event_that_tells_other_than_its_decision(ledger, old, new):
    """Also with every hash made to fit: the version, the direction, the evidence."""
    data = read_rows(ledger)[-1]["data"]
    assert old in data
    rewrite_last(ledger, data=data.replace(old, new))
    assert codes(ledger) == [(4, "decision_differs")]


def test_a_rename_is_no_fault(ledger):
    """A rename moves the decisions; an event keeps the name of its time."""
    ledger.rename_registered_model("model", "renamed")
    assert events(ledger)[0]["data"]["name"] == "model"
    assert codes(ledger) == []


def test_an_event_with_another_id(ledger):
    """A receiver goes by the id: under another one the same step would be paid again."""
    rewrite_last(ledger, event_id=str(uuid.uuid4()))
    assert codes(ledger) == [(4, "id_differs")]


@pytest.mark.parametrize("ledger_id", ["a", "00000000-0000-4000-8000-000000000000"])
def test_an_edited_ledger_id(ledger, ledger_id):
    """With another ledger id, a step that was paid would get an id that nobody has seen."""
    tamper(ledger, "UPDATE hokusai_reward_ledgers SET ledger_id = :id", id=ledger_id)
    assert codes(ledger) == [
        (0, "state_missing"),
        (0, "ledger_removed"),
        *((sequence, "id_differs") for sequence in (1, 2, 3, 4)),
    ]


def test_an_event_without_delivery(ledger):
    """An event that no dispatcher would ever send does not go unnoticed."""
    tamper(ledger, "DELETE FROM hokusai_reward_deliveries WHERE sequence = 2")
    assert codes(ledger) == [(2, "delivery_missing")]


def test_a_removed_series(ledger):
    """Without its head the series would begin anew, and be paid once more."""
    register(ledger, "0.5", name="other", hokusai_token_id="OTHER-1")
    tamper(ledger, "DELETE FROM hokusai_series")
    assert codes(ledger) == 2 * [(0, "series_missing")]
    messages = [fault.message for fault in faults(ledger)]
    assert messages[0] == "The head of IMG-001 accuracy is gone, its decisions are not."


def test_a_removed_baseline(ledger):
    """A decision that an achieved one was measured against, or that a head names, is missed."""
    register(ledger, "0.5", name="other", hokusai_token_id="OTHER-1")
    tamper(ledger, "DELETE FROM hokusai_decisions WHERE outcome = 'baseline'")
    assert codes(ledger) == [
        (0, "baseline_missing"),
        (0, "head_differs"),
        *2 * [(0, "indexed_decision_missing")],
    ]
    assert "OTHER-1" in faults(ledger)[1].message


def test_an_achieved_decision_without_baseline(ledger):
    """Nothing is achieved without something to beat."""
    tamper(
        ledger,
        "UPDATE hokusai_decisions SET baseline_decision_id = NULL WHERE value = '0.55'",
    )
    reseal(ledger)
    assert codes(ledger) == [(0, "baseline_missing")]


def test_an_edited_baseline(ledger):
    """What a DeltaOne was measured against has the value that it was measured against."""
    tamper(ledger, "UPDATE hokusai_decisions SET value = '0.4' WHERE outcome = 'baseline'")
    reseal(ledger)
    assert codes(ledger) == [(0, "baseline_differs")]


@pytest.mark.parametrize("table", ["hokusai_series", "hokusai_decisions"])
def test_an_edited_direction(ledger, table):
    """Who turns the direction of a series round is paid for getting worse."""
    where = "WHERE outcome = 'baseline'" if table == "hokusai_decisions" else ""
    tamper(ledger, f"UPDATE {table} SET direction = 'minimize' {where}")
    reseal(ledger)
    assert (0, "direction_differs") in codes(ledger)


def raise_head(store: Any, value: str) -> dict[str, Any]:
    """Raise the head without paying, as a baseline decision may; the decision that held it."""
    (series,) = read_rows(store, "hokusai_series")
    before = next(
        row
        for row in read_rows(store, "hokusai_decisions")
        if row["decision_id"] == series["head_decision_id"]
    )
    raising = {
        **before,
        "decision_id": str(uuid.uuid4()),
        "outcome": "baseline",
        "value": value,
        "baseline_decision_id": before["decision_id"],
        "baseline_value": before["value"],
        "improvement_pp": percentage_points(Decimal(value) - Decimal(before["value"])),
    }
    insert(store, "hokusai_decisions", raising)
    tamper(
        store,
        "UPDATE hokusai_series SET head_value = :value, head_decision_id = :decision_id",
        value=value,
        decision_id=raising["decision_id"],
    )
    reseal(store)
    return before


def test_a_head_that_was_raised_unpaid(ledger):
    """A baseline decision may leave a head as an achieved one does; then that head is left."""
    before = raise_head(ledger, "0.8")
    assert codes(ledger) == []
    register(ledger, "0.85", contributor=ONE)
    assert codes(ledger) == []
    tamper(
        ledger,
        "UPDATE hokusai_decisions SET baseline_decision_id = :id, baseline_value = :value "
        "WHERE value = '0.85'",
        id=before["decision_id"],
        value=before["value"],
    )
    assert (0, "head_left_twice") in codes(ledger)


def test_a_head_that_was_set_back_to_before_it_was_raised(ledger):
    """A head that a baseline decision left is no head any more."""
    before = raise_head(ledger, "0.8")
    tamper(
        ledger,
        "UPDATE hokusai_series SET head_value = :value, head_decision_id = :id",
        id=before["decision_id"],
        value=before["value"],
    )
    assert codes(ledger) == [(0, "head_differs")]


def test_workspaces_are_audited_apart(ledger):
    """A fault names its workspace; another's ledger begins at 1 with a chain of its own."""
    row = {**read_rows(ledger)[0], "workspace": "other", "event_id": str(uuid.uuid4())}
    insert(ledger, "hokusai_reward_events", row)
    found = faults(ledger)
    assert {fault.workspace for fault in found} == {"other"}
    assert "event_added" in {fault.code for fault in found}


def test_every_fault_is_documented():
    """docs/events.md lists what verify finds, by the codes; and each of them can be found."""
    page = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
    known = get_args(ledger_faults.Code)
    assert sorted(known) == sorted(re.findall(r"\| `([a-z_]+)` \|$", page, re.MULTILINE))
    folder = Path(ledger_faults.__file__).parent
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    # There the list of the codes itself finds nothing.
    texts["ledger_faults.py"] = texts["ledger_faults.py"].partition("\n]\n")[2]
    checks = "".join(texts.values())
    assert [code for code in known if f'"{code}"' not in checks] == []


def test_metric_of_another_case_is_another_series(store: Any) -> None:
    """Databases that compare without case do not mix up two series, nor their events' ids."""
    for metric in ("uplift", "Uplift"):
        for value in ("0.1", "0.2"):
            register(store, value, **{METRIC: metric, "benchmark_direction": "maximize"})
    assert len({event["id"] for event in events(store)}) == 2
    assert_sound(store)
