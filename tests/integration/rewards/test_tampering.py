"""What 'index verify' and 'rewards verify' must see between them, and the dispatcher not send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Column, Integer, Table
from sqlalchemy.exc import IntegrityError
from support.checkpoints import signed
from support.damage import run_sql
from support.receiver import SECRET, receiving
from support.registry import METRIC, TOKEN, VALUE, create_version, set_tag, token_tags
from support.rewards import approve, events, faults, name_payees, rebase, reject, settle
from support.tampering import all_faults, change_row, read_table, reseal, rewrite_event

from hokusai_mlflow_plugin.db.keys import VersionId
from hokusai_mlflow_plugin.db.schema.tables import (
    corrections,
    decisions,
    deliveries,
    delivery_attempts,
    metadata,
    reviews,
    reward_events,
    series,
    settlements,
    state,
    token_index,
)
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.services.index import maintenance
from hokusai_mlflow_plugin.services.index.maintenance import Report
from hokusai_mlflow_plugin.services.rewards import verification_record
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver
from hokusai_mlflow_plugin.services.tokens import declaring
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session
from hokusai_mlflow_plugin.store.registry_store import build_store

ONE, TWO = "0x" + 40 * "1", "0x" + 40 * "2"
HUNDRED_YEARS_MS = 100 * 365 * 24 * 3_600_000

# What runs in Python alone is asked of one database.
on_sqlite = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)

INVISIBLE: frozenset[tuple[str, str]] = frozenset({("hokusai_history", "name")})
"""Columns, by table and name, whose change is nobody's concern: a rename moves the history's."""

UNMISSED = {
    "hokusai_policy_findings": "it repeats what the version's tags show: 'index verify' names a "
    "version that is withheld for anything else, and 'db upgrade --dry-run' one that breaks a rule",
    "hokusai_model_names": "it only tells a copy where it came from; a copy has the value of its "
    "original, which cannot beat the head that the original left",
    "hokusai_decisions": "it is on a version that is not tokenised any more, and nothing rests on "
    "it: no event, no head, no later decision",
    "hokusai_tokens": "the first use of a token is found in its series; without a declaration "
    "nobody may use the token where that is asked for, and nobody is paid more",
    "hokusai_token_publishers": "who lost a right is refused, and is granted it again",
    "hokusai_history": "it tells what happened, and nothing is decided by it",
    "hokusai_verifications": "it says what a verification found, which the next one finds again",
}
"""Tables of which a row that is deleted may go unseen, and why."""


def dispatcher(store: Any, url: str) -> Dispatcher:
    session = webhook_session(url, allow_private=True)
    return Dispatcher(store.engine, Receiver(url, [SECRET]), RetryPolicy(base_s=3600), session)


def evaluated_model(tracking_uri: str, accuracy: float) -> str:
    """The source of a version that two runs back: one made the model, another evaluated it."""
    client = MlflowClient(tracking_uri=tracking_uri)
    experiment_id = client.create_experiment("runs", "artifacts")
    made, evaluated = (client.create_run(experiment_id).info.run_id for _run in range(2))
    model = client.create_logged_model(experiment_id, source_run_id=made)
    client.log_metric(evaluated, "accuracy", accuracy, model_id=model.model_id)
    return f"models:/{model.model_id}"


@pytest.fixture
def registry(store_factory: Any, stock_database_uri: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A registry with rows of every kind in every table of ours; nothing is wrong with it.

    Of four events one is delivered, one failed once, two wait.
    """
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stock_database_uri)  # where MLflow looks a model up
    create_version(SqlAlchemyStore(stock_database_uri), "older", token_tags(**{TOKEN: "OLD-1"}))
    audited, store = store_factory(HOKUSAI_POLICY="audit"), store_factory()
    for value in ("0.50", "0.55", "0.60", "0.65"):
        create_version(store, tags=token_tags(**{VALUE: value}, contributor=ONE))
    shares = [{"address": ONE, "weight": 4_000}, {"address": TWO, "weight": 6_000}]
    tags = token_tags(**{VALUE: "0.70"}, contributors=json.dumps(shares))
    backed = build_store(f"hokusai+{stock_database_uri}", stock_database_uri)
    create_version(backed, "shared", tags, evaluated_model(stock_database_uri, 0.70))
    create_version(store, "worse", token_tags(**{VALUE: "0.705"}))
    set_tag(store, "worse", 1, VALUE, "0.6")
    create_version(store, "unknown", token_tags(**{METRIC: "of unknown direction"}))
    create_version(audited, "refused", token_tags(**{VALUE: "no number"}))
    create_version(store, "deleted", token_tags(**{VALUE: "0.1"}))
    store.delete_model_version("deleted", "1")
    store.rename_registered_model("unknown", "still unknown")
    with receiving() as receiver:
        assert dispatcher(store, receiver.url).deliver_due(1) == 1
        receiver.answers(500)
        assert dispatcher(store, receiver.url).deliver_due(1) == 1
    signed(store)
    with store.engine.begin() as connection:
        token = {"token_id": "OWN-1", "metrics": ["accuracy"], "publishers": ["ada"]}
        declaring.declare(connection, "default", store.settings, "root", **token)
        ends = verification_record.last_events(connection)
        verification_record.keep(connection, 1, ends, ())
    assert all_faults(store) == []
    empty = {name for name, table in metadata.tables.items() if not read_table(store, table)}
    assert empty == {corrections.name, reviews.name, settlements.name}
    return store


@pytest.fixture
def corrected(registry: Any, store_factory: Any) -> Any:
    """The same with corrections, reviews and a settlement; now no table is empty.

    Of two events in review one was approved, got payees and was settled, one was rejected. A series
    was rebased.
    """
    reviewed = store_factory(HOKUSAI_REWARD_REVIEW="manual")
    for value in ("0.1", "0.2", "0.3"):
        create_version(reviewed, "reviewed", token_tags(**{TOKEN: "REV-1", VALUE: value}))
    approved, rejected = [event["id"] for event in events(reviewed)[-2:]]
    approve(reviewed, approved, "grace")
    name_payees(reviewed, approved, f'[{{"address": "{ONE}", "weight": 10000}}]')
    settle(reviewed, approved, actor="payer")
    reject(reviewed, rejected, actor="grace")
    for name, value in (("typo", "0.999"), ("right", "0.5")):
        create_version(reviewed, name, token_tags(**{TOKEN: "TYP-1", VALUE: value}))
    reviewed.delete_model_version("typo", "1")
    rebase(reviewed, "TYP-1", "accuracy")
    assert all_faults(registry) == []
    tables = metadata.tables.items()
    assert [name for name, table in tables if not read_table(registry, table)] == []
    return registry


def others(column: Column[Any], row: dict[str, Any], rows: list[dict[str, Any]]) -> list[Any]:
    """Values that a column of a row does not have: nearby, another row's, null."""
    found = row[column.name]
    if found is None:
        return [1 if isinstance(column.type, Integer) else "x"]
    near = found + 1 if isinstance(found, int) else found[:-1] + ("y" if found[-1] == "x" else "x")
    taken = [each[column.name] for each in rows if each[column.name] not in (found, None)]
    return [near, *taken[:1], *([None] if column.nullable else [])]


def is_seen(store: Any) -> bool:
    """Whether one of the two commands finds anything."""
    # The first is run to its end: what comes after a fault must bear with that edit, too.
    return bool(faults(store)) or any(report.differences for report in verified(store))


def unseen_changes(store: Any, table: Table) -> list[tuple[str, Any, Any]]:
    """Column, old and new value of each change of one row of a table that nothing finds."""
    unseen = []
    rows = read_table(store, table)
    for number, row in enumerate(rows):
        for column in table.columns:
            values = others(column, row, rows)
            # Of a table with many rows each has its turn: to try all of them takes minutes.
            for value in values if len(rows) < 4 else [values[number % len(values)]]:
                try:
                    change_row(store, table, row, **{column.name: value})
                except IntegrityError:  # the database itself does not take a second row like it
                    continue
                if not is_seen(store):
                    unseen.append((column.name, row[column.name], value))
                changed = {**row, column.name: value}
                change_row(store, table, changed, **{column.name: row[column.name]})
    return unseen


def test_every_column_of_every_table(corrected: Any) -> None:
    """One UPDATE of one row, whatever the column, is named; undone, nothing is.

    The columns are those that there are: a new one needs a check, or a reason in INVISIBLE.
    """
    for table in metadata.tables.values():
        unseen = unseen_changes(corrected, table)
        assert [each for each in unseen if (table.name, each[0]) not in INVISIBLE] == [], table
    assert all_faults(corrected) == []


def test_every_row_of_every_table(corrected: Any) -> None:
    """A row that is deleted is missed, whatever the table; but for those in UNMISSED."""
    unseen = []
    for table in metadata.tables.values():
        for row in read_table(corrected, table):
            same = (key == row[key.name] for key in table.primary_key)
            with corrected.engine.begin() as connection:
                connection.execute(table.delete().where(*same))
            if not is_seen(corrected):
                unseen.append((table.name, row))
            with corrected.engine.begin() as connection:
                connection.execute(table.insert(), row)
    assert [each for each in unseen if not may_go(corrected, *each)] == []
    assert {name for name, _row in unseen} == UNMISSED.keys()
    assert all_faults(corrected) == []


def may_go(store: Any, table: str, row: dict[str, Any]) -> bool:
    """Whether the reason in UNMISSED is true of a row."""
    if table == "hokusai_policy_findings":
        named = {each.id for report in verified(store) for each in report.nonconforming}
        return VersionId(row["workspace"], row["name"], row["version"]) in named
    if table == "hokusai_decisions":
        return bool(row["outcome"] == "regressed" and row["name"] == "deleted")
    return table in UNMISSED


def verified(store: Any) -> Iterator[Report]:
    return maintenance.verify(store.engine, store.settings.catalogue)


def test_all_emptied(registry: Any) -> None:
    """What the index names, and each ledger's mark, are left of a ledger that was emptied."""
    kept = {token_index.name, state.name, "hokusai_policy_findings"}
    for name in metadata.tables.keys() - kept:
        run_sql(registry, f"DELETE FROM {name}")
    assert set(all_faults(registry)) == {"indexed_decision_missing", "ledger_removed"}
    run_sql(registry, "UPDATE hokusai_token_index SET decision_id = NULL")
    assert all_faults(registry) == ["ledger_removed"]
    run_sql(registry, "DELETE FROM hokusai_state")
    assert all_faults(registry) == ["state_missing"]


RESEALED = {
    "delivered": (deliveries, {"status": "delivered"}, "delivery_differs"),
    "dead": (deliveries, {"status": "dead"}, "delivery_differs"),
    "sending": (deliveries, {"status": "sending"}, "delivery_differs"),
    "no status": (deliveries, {"status": "x"}, "delivery_differs"),
    "one attempt more": (deliveries, {"attempts": 7}, "delivery_differs"),
    "replayed": (deliveries, {"replayed_after": -1}, "delivery_differs"),
    "outcome": (decisions, {"outcome": "copy"}, "verdict_differs"),
    "improvement": (decisions, {"improvement_pp": "7"}, "verdict_differs"),
    "value": (decisions, {"value": "0.99"}, "verdict_differs"),
    "version": (decisions, {"version": 7}, "indexed_decision_missing"),
    "series": (series, {"baseline_value": "0.1"}, "series_baseline_differs"),
}


@on_sqlite
@pytest.mark.parametrize("change", RESEALED)
def test_an_edit_with_a_new_seal(registry: Any, change: str) -> None:
    """Whoever makes the seal anew contradicts the log, the values or the index."""
    table, values, code = RESEALED[change]
    row = read_table(registry, table)[-1]
    if table is decisions:
        rows = read_table(registry, table)
        (row,) = [r for r in rows if (r["outcome"], r["name"]) == ("regressed", "worse")]
    change_row(registry, table, row, **values)
    reseal(registry)
    assert code in all_faults(registry)


def test_due_in_a_hundred_years(registry: Any) -> None:
    """A delivery that no server would ever claim is named, also with a new seal."""
    row = read_table(registry, deliveries)[-1]
    due = row["next_attempt_time"] + HUNDRED_YEARS_MS
    change_row(registry, deliveries, row, next_attempt_time=due)
    assert all_faults(registry) == ["delivery_differs", "delivery_edited"]
    reseal(registry)
    assert all_faults(registry) == ["delivery_differs"]


def share(data: dict[str, Any], **changes: Any) -> None:
    data["contributors"][0].update(changes)


REHASHED = {
    "contributor": (lambda row, data: share(data, contributor=TWO, address=TWO), "payees_differ"),
    "address": (lambda row, data: share(data, address=TWO), "event_malformed"),
    "weight": (lambda row, data: share(data, weight=5_000), "event_malformed"),
    "nobody": (lambda row, data: data.update(contributors=[]), "payees_differ"),
    "model name": (lambda row, data: data.update(name="other"), "decision_differs"),
    "version": (lambda row, data: data.update(version="9"), "decision_differs"),
    "head's name": (lambda row, data: data["baseline"].update(name="x"), "decision_differs"),
    "head's version": (lambda row, data: data["baseline"].update(version="9"), "decision_differs"),
    "run": (lambda row, data: data.update(run_id=32 * "b"), "run_differs"),
    "extra field": (lambda row, data: data.update(more=1), "event_malformed"),
    "missing field": (lambda row, data: data.pop("run_id"), "event_malformed"),
    "extra in head": (lambda row, data: data["baseline"].update(more=1), "event_malformed"),
    "extra in contributor": (lambda row, data: share(data, more=1), "event_malformed"),
    "type": (lambda row, data: row.update(type="hokusai.deltaone.other"), "event_malformed"),
    "time": (lambda row, data: row.update(event_time=1), "decision_differs"),
    "token beside": (lambda row, data: row.update(token_id="OTHER-1"), "event_malformed"),
    "workspace": (lambda row, data: data.update(workspace="x"), "event_malformed"),
    "form": (lambda row, data: row.update(data=json.dumps(data)), "event_malformed"),
}


@on_sqlite
@pytest.mark.parametrize("change", REHASHED)
def test_an_edit_with_new_hashes(registry: Any, change: str) -> None:
    """An event whose hashes fit to the ledger's end still contradicts what it was made of.

    And it is not sent.
    """
    edit, code = REHASHED[change]
    rewrite_event(registry, 4, edit)
    assert code in all_faults(registry)
    event_id = read_table(registry, reward_events)[-1]["event_id"]
    with receiving() as receiver:
        dispatcher(registry, receiver.url).deliver_due()
        assert event_id not in receiver.ids
        assert len(receiver.ids) == 1


@pytest.mark.parametrize("resealed", [False, True])
def test_a_delivery_that_was_tampered_with_is_not_sent(registry: Any, *, resealed: bool) -> None:
    """What was delivered is not sent again because somebody wrote that it waits."""
    row = read_table(registry, deliveries)[0]
    change_row(registry, deliveries, row, status="pending", next_attempt_time=0)
    if resealed:
        reseal(registry)
    event_id = read_table(registry, reward_events)[0]["event_id"]
    with receiving() as receiver:
        dispatcher(registry, receiver.url).deliver_due()
        assert event_id not in receiver.ids
    error = read_table(registry, delivery_attempts)[1]["error"]
    assert "rewards verify" in error


def test_a_decision_that_was_tampered_with(registry: Any) -> None:
    """What rests on an edited decision is not sent."""
    last = read_table(registry, reward_events)[-1]
    run_sql(
        registry,
        "UPDATE hokusai_decisions SET logged_value = '1' WHERE decision_id = :id",
        id=last["decision_id"],
    )
    with receiving() as receiver:
        dispatcher(registry, receiver.url).deliver_due()
        assert last["event_id"] not in receiver.ids


def test_what_may_change_is_no_fault(registry: Any) -> None:
    """Renames, deletions and replays leave every proof as it was."""
    for name in ("shared", "worse", "refused", "model"):
        registry.rename_registered_model(name, f"{name} renamed")
    assert all_faults(registry) == []
    registry.delete_model_version("shared renamed", "1")
    registry.delete_model_version("worse renamed", "1")
    assert all_faults(registry) == []
    registry.delete_registered_model("model renamed")
    assert all_faults(registry) == []
