"""Delivery of reward events: at least once, in order, signed, and never in a registry's way."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text
from support.damage import run_sql
from support.killed import killable
from support.receiver import OTHER_SECRET, REDIRECTED, SECRET, receiving
from support.registry import VALUE, create_version, token_tags
from support.rewards import assert_sound, events, own_hash, rows
from support.tampering import reseal

from hokusai_mlflow_plugin.db.rewards import delivery_queue, delivery_state, receiver_state, replays
from hokusai_mlflow_plugin.domain.delivery import RetryPolicy
from hokusai_mlflow_plugin.domain.errors import ReceiverGone, ReceiverUnresolved, SettingsError
from hokusai_mlflow_plugin.services.rewards import delivery_backlog, dispatch
from hokusai_mlflow_plugin.services.rewards.dispatch import Dispatcher, Receiver
from hokusai_mlflow_plugin.settings import read_settings
from hokusai_mlflow_plugin.store.mlflow_compat.database import engine_of
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

POLICY = RetryPolicy(max_attempts=4, base_s=100, cap_s=300)
LEASE_S = 60
"""More than the claim of a dispatcher lasts that is given ten seconds for a request."""


class Clock:
    """The dispatchers' clock."""

    def __init__(self) -> None:
        self._ahead_ms = 0
        self._now_ms = dispatch._now_ms

    def __call__(self) -> int:
        return self._now_ms() + self._ahead_ms

    def advance(self, seconds: float) -> None:
        self._ahead_ms += int(seconds * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Lets the dispatchers' time pass without waiting for it."""
    clock = Clock()
    monkeypatch.setattr(dispatch, "_now_ms", clock)
    return clock


@pytest.fixture
def receiver():
    """A reward service that takes everything."""
    with receiving() as found:
        yield found


@pytest.fixture
def dispatcher_factory(store, receiver, clock) -> Callable[..., Dispatcher]:
    """Makes dispatchers, each as in a process of its own."""

    def make(
        secrets: tuple[str, ...] = (SECRET,),
        url: str | None = None,
        timeout_s: float = 10.0,
        policy: RetryPolicy = POLICY,
    ) -> Dispatcher:
        where = url or receiver.url
        session = webhook_session(where, allow_private=True)
        return Dispatcher(store.engine, Receiver(where, secrets, timeout_s), policy, session)

    return make


@pytest.fixture
def dispatcher(dispatcher_factory) -> Dispatcher:
    return dispatcher_factory()


def earn(store: Any, count: int = 1) -> list[str]:
    """Register versions so that there are so many new events; the ids of all."""
    known = len(events(store))
    if not known:
        create_version(store, tags=token_tags(**{VALUE: "0.1"}))
    for step in range(known, known + count):
        create_version(store, tags=token_tags(**{VALUE: f"{0.11 + step / 100:.2f}"}))
    return [event["id"] for event in events(store)]


def deliveries(store: Any) -> list[tuple[str, int]]:
    """Status and number of attempts of each delivery, in the order of the events."""
    with store.engine.connect() as connection:
        found = sorted(rows(connection, "hokusai_reward_deliveries"), key=lambda r: r["sequence"])
    return [(row["status"], row["attempts"]) for row in found]


def attempts(store: Any) -> list[tuple[int, int, int | None, str | None]]:
    """The log: sequence, attempt, HTTP status, error."""
    with store.engine.connect() as connection:
        found = rows(connection, "hokusai_reward_attempts")
    return sorted(
        (row["sequence"], row["attempt"], row["http_status"], row["error"]) for row in found
    )


def test_a_delivery(store, receiver, dispatcher):
    """The receiver gets the event as the feed has it, signed, once."""
    earn(store)
    assert dispatcher.deliver_due() == 1
    assert dispatcher.deliver_due() == 0
    (delivery,) = receiver.heard
    (event,) = events(store)
    assert delivery.path == "/hook"
    assert delivery.event == event
    assert delivery.id == event["id"]
    assert delivery.headers["content-type"] == "application/json"
    assert deliveries(store) == [("delivered", 1)]
    assert attempts(store) == [(1, 1, 204, None)]
    assert_sound(store)


def test_nothing_to_deliver(store, receiver, dispatcher):
    """Without events nothing is sent."""
    create_version(store)
    assert dispatcher.deliver_due() == 0
    assert receiver.heard == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(store, receiver, dispatcher, status):
    """Every 2xx means received."""
    receiver.answers(status)
    earn(store)
    dispatcher.deliver_due()
    assert deliveries(store) == [("delivered", 1)]
    assert attempts(store) == [(1, 1, status, None)]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (500, 500),
        (503, 503),
        (404, 404),
        (400, 400),
        (300, 300),
        (302, 302),  # without saying where to
        (304, 304),
        ("redirect", 307),
        ("drop", None),
        ("hang", None),
    ],
)
def test_failure(store, receiver, dispatcher_factory, clock, answer, status):
    """Everything else is a failure: logged, tried again when it is time, under the same id."""
    (event_id,) = earn(store)
    receiver.answers(answer, 200)
    dispatcher = dispatcher_factory(timeout_s=0.5)
    assert dispatcher.deliver_due() == 1
    receiver.release()
    assert deliveries(store) == [("pending", 1)]
    ((_sequence, _attempt, http_status, error),) = attempts(store)
    assert http_status == status
    assert error
    assert dispatcher_factory().deliver_due() == 0
    clock.advance(POLICY.base_s)
    assert dispatcher_factory().deliver_due() == 1
    assert receiver.ids == [event_id, event_id]
    assert [each.path for each in receiver.heard] == ["/hook", "/hook"]
    assert REDIRECTED not in [each.path for each in receiver.heard]
    assert [each.event["id"] for each in receiver.heard] == [event_id, event_id]
    assert deliveries(store) == [("delivered", 2)]


def test_an_endless_answer(store, receiver, dispatcher):
    """The answer's body is not waited for."""
    receiver.answers("endless")
    earn(store)
    assert dispatcher.deliver_due() == 1
    assert deliveries(store) == [("delivered", 1)]


def test_a_receiver_that_vanishes(store, dispatcher_factory, clock):
    """Nothing is lost while the receiver is away, and all of it comes in order when it is back."""
    ids = earn(store, 3)
    with receiving() as before:
        port = before.port
    dispatcher = dispatcher_factory(url=f"http://127.0.0.1:{port}/hook")
    assert dispatcher.deliver_due() == 3
    assert deliveries(store) == 3 * [("pending", 1)]
    assert all("Connection" in (error or "") for *_rest, error in attempts(store))
    clock.advance(POLICY.base_s)
    with receiving(port) as back:
        assert dispatcher.deliver_due() == 3
        assert sorted(back.ids) == sorted(ids)
    assert deliveries(store) == 3 * [("delivered", 2)]


def test_back_off_is_in_the_database(store, receiver, dispatcher_factory, clock):
    """Waiting grows from attempt to attempt, whoever makes them; half of each wait is random."""
    earn(store)
    receiver.answers(500)
    for attempt, full_s in enumerate((100, 200, 300), 1):
        assert dispatcher_factory().deliver_due() == 1
        with store.engine.connect() as connection:
            (row,) = rows(connection, "hokusai_reward_deliveries")
        wait_s = (row["next_attempt_time"] - clock()) / 1000
        assert full_s / 2 - 5 <= wait_s <= full_s
        clock.advance(wait_s - 1)
        assert dispatcher_factory().deliver_due() == 0
        clock.advance(1)
        assert deliveries(store) == [("pending", attempt)]


def test_dead_after_the_last_attempt(store, receiver, dispatcher, clock):
    """After the last attempt an event is left alone, and the others go on."""
    (event_id,) = earn(store)
    receiver.answers(500)
    for _attempt in range(POLICY.max_attempts):
        assert dispatcher.deliver_due() == 1
        clock.advance(POLICY.cap_s)
    assert dispatcher.deliver_due() == 0
    assert deliveries(store) == [("dead", 4)]
    assert receiver.ids == 4 * [event_id]
    receiver.answers(200)
    earn(store)
    assert dispatcher.deliver_due() == 1
    assert deliveries(store) == [("dead", 4), ("delivered", 1)]


def replay(store: Any, event_id: str, clock: Clock, workspace: str = "default") -> bool:
    with store.engine.begin() as connection:
        return replays.replay(connection, workspace, event_id, clock())


def test_replay_of_a_dead_event(store, receiver, dispatcher, clock):
    """A replay gives a dead event all its attempts again, under the same id; the log goes on."""
    (event_id,) = earn(store)
    receiver.answers(500)
    for _replay in range(2):
        for _attempt in range(POLICY.max_attempts):
            assert dispatcher.deliver_due() == 1
            clock.advance(POLICY.cap_s)
        assert deliveries(store)[0][0] == "dead"
        assert replay(store, event_id, clock)
    receiver.answers(200)
    assert dispatcher.deliver_due() == 1
    assert deliveries(store) == [("delivered", 9)]
    assert [attempt for _, attempt, *_ in attempts(store)] == list(range(1, 10))
    assert set(receiver.ids) == {event_id}


def test_replay_of_a_delivered_event(store, receiver, dispatcher, clock):
    """What was delivered can be sent again, for a receiver that lost it."""
    (event_id,) = earn(store)
    dispatcher.deliver_due()
    assert replay(store, event_id, clock)
    assert dispatcher.deliver_due() == 1
    assert receiver.ids == [event_id, event_id]
    assert deliveries(store) == [("delivered", 2)]


def test_replay_of_an_unknown_event(store, clock):
    """There is nothing to replay where no event has the id, or it is another workspace's."""
    (event_id,) = earn(store)
    assert not replay(store, "unknown", clock)
    assert not replay(store, event_id, clock, workspace="other")
    assert deliveries(store) == [("pending", 0)]


def test_replay_of_an_event_without_delivery(store, receiver, dispatcher, clock):
    """An event whose delivery somebody removed gets one, and its attempts are counted on."""
    ids = earn(store, 2)
    dispatcher.deliver_due(1)
    run_sql(store, "DELETE FROM hokusai_reward_deliveries")
    assert dispatcher.deliver_due() == 0
    assert all(replay(store, event_id, clock) for event_id in ids)
    assert deliveries(store) == [("pending", 1), ("pending", 0)]
    assert dispatcher.deliver_due() == 2
    assert sorted(receiver.ids) == sorted([ids[0], *ids])
    assert deliveries(store) == [("delivered", 2), ("delivered", 1)]
    assert_sound(store)


@pytest.mark.parametrize("answer", ["hang", 500])
def test_replay_while_it_is_being_sent(store, receiver, dispatcher_factory, clock, answer):
    """A replay that comes while an attempt is under way is not swallowed by that attempt's end."""
    (event_id,) = earn(store)
    receiver.answer = lambda _delivery: _replay_and(answer)

    def _replay_and(then: Any) -> Any:
        assert replay(store, event_id, clock)
        receiver.answers(200)
        return then

    assert dispatcher_factory(timeout_s=0.5).deliver_due() == 2
    receiver.release()
    assert deliveries(store) == [("delivered", 2)]


def test_first_attempts_come_in_order(store, receiver, dispatcher, clock):
    """Events are first sent in their order, also before others are tried again."""
    ids = earn(store, 3)
    receiver.answers(500)
    dispatcher.deliver_due()
    clock.advance(POLICY.cap_s)
    ids = earn(store, 3)
    receiver.answers(200)
    dispatcher.deliver_due()
    assert receiver.ids[:6] == ids
    assert sorted(receiver.ids[6:]) == sorted(ids[:3])


@pytest.mark.parametrize("flaky", [False, True])
def test_three_dispatchers_keep_the_order(store, receiver, dispatcher_factory, flaky):
    """With several dispatchers at work the first attempts still arrive in the order of the events,
    and no attempt is made twice.
    """
    ids = earn(store, 24)
    pause = threading.Event()

    def answer(delivery):
        """Answers slowly, and the first time often badly."""
        pause.wait((int(delivery.id[0], 16) % 4) / 100)
        is_repeat = receiver.ids.count(delivery.id) > 1
        return 500 if flaky and not is_repeat and int(delivery.id[1], 16) % 2 else 200

    receiver.answer = answer

    def work(_n: int) -> int:
        own = dispatcher_factory(policy=RetryPolicy(base_s=0.01, cap_s=0.01))
        made = 0
        while any(status != "delivered" for status, _attempts in deliveries(store)):
            made += own.deliver_due()
        return made

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(work, range(3)))
    assert receiver.first_ids == ids
    assert sum(made) == len(receiver.heard) == len(attempts(store))
    assert all(delivery.event is not None for delivery in receiver.heard)
    assert (len(receiver.heard) > len(ids)) == flaky


def test_an_attempt_under_way_is_left_alone(store, receiver, dispatcher_factory, clock):
    """While one dispatcher waits for the receiver, another neither repeats that event nor begins
    with the next one; it does, in their order, when the first one's claim has run out.
    """
    ids = earn(store, 2)
    receiver.answers("hang", 200)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(dispatcher_factory().deliver_due, 1)
        receiver.wait_until_hanging()
        other = dispatcher_factory()
        assert other.deliver_due() == 0
        clock.advance(LEASE_S)
        assert other.deliver_due() == 2
        assert receiver.ids == [ids[0], ids[0], ids[1]]
        assert deliveries(store) == [("delivered", 2), ("delivered", 1)]
        receiver.release()
        assert hanging.result() == 1
    assert deliveries(store) == [("delivered", 2), ("delivered", 1)]


def test_a_batch_that_is_broken_off(store, receiver, dispatcher, clock):
    """What was claimed together and not sent, since the receiver asks for a pause, is as it was."""
    earn(store, 3)
    dispatcher.deliver_due()  # the next batch is larger
    ids = earn(store, 6)
    receiver.answers(204, (503, "250"), 204)
    assert dispatcher.deliver_due() == 2
    assert deliveries(store)[3:] == [("delivered", 1), ("pending", 1), *4 * [("pending", 0)]]
    assert len(attempts(store)) == len(receiver.heard) == 5
    assert_sound(store)
    clock.advance(250)
    assert dispatcher.deliver_due() == 5
    assert receiver.first_ids == ids
    assert {status for status, _attempts in deliveries(store)} == {"delivered"}
    assert_sound(store)


def test_a_slow_receiver_gets_small_batches(store, receiver, dispatcher, monkeypatch):
    """No more is claimed than is sent in a short time: others do not wait for long."""
    monkeypatch.setattr(dispatch, "_BATCH_S", 0.0)
    ids = earn(store, 5)
    assert dispatcher.deliver_due() == 5
    assert receiver.ids == ids
    assert [attempt for _status, attempt in deliveries(store)] == 5 * [1]
    assert_sound(store)


def test_what_a_dead_dispatcher_had_claimed_comes_first(store, receiver, dispatcher_factory, clock):
    """Events that were claimed together by one who then died are sent before what follows them."""
    ids = earn(store, 5)
    with store.engine.begin() as connection:
        claims = delivery_queue.claim_next(connection, clock(), clock() + 1000 * LEASE_S, 3)
    assert [claim.sequence for claim in claims] == [1, 2, 3]
    assert dispatcher_factory().deliver_due() == 0
    clock.advance(LEASE_S + 1)
    assert dispatcher_factory().deliver_due() == 5
    assert receiver.ids == ids
    assert [attempt for _status, attempt in deliveries(store)] == [2, 2, 2, 1, 1]
    assert_sound(store)


def test_a_replay_before_its_turn_in_a_batch(store, receiver, dispatcher, clock):
    """A replay of an event that is claimed and not sent yet is not undone by giving it back."""
    earn(store, 3)
    dispatcher.deliver_due()
    ids = earn(store, 3)

    def answer(_delivery):
        assert replay(store, ids[5], clock)
        receiver.answers(204)
        return 503, "250"

    receiver.answer = answer
    assert dispatcher.deliver_due() == 1
    assert deliveries(store)[3:] == [("pending", 1), ("pending", 0), ("pending", 1)]
    assert_sound(store)
    clock.advance(250)
    assert dispatcher.deliver_due() == 3
    assert sorted(receiver.ids) == sorted([*ids, ids[3]])


def test_connections_are_kept(store, receiver, dispatcher):
    """One connection serves many posts, also where an answer has a short body."""
    earn(store, 4)
    dispatcher.deliver_due()
    assert len({each.client for each in receiver.heard}) == 1


def test_a_registration_never_waits_for_the_receiver(store, receiver, dispatcher_factory):
    """While the receiver hangs, versions are registered, earn, and are read."""
    earn(store)
    receiver.answers("hang", 200)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(dispatcher_factory(timeout_s=60).deliver_due)
        receiver.wait_until_hanging()
        assert len(earn(store, 3)) == 4
        assert_sound(store)
        receiver.release()
        hanging.result()


@pytest.mark.parametrize(
    ("secrets", "fits"),
    [
        ((SECRET,), [True, False]),
        ((SECRET, OTHER_SECRET), [True, True]),
        ((OTHER_SECRET, SECRET), [True, True]),
        ((OTHER_SECRET,), [False, True]),
    ],
)
def test_rotation_of_secrets(store, receiver, dispatcher_factory, secrets, fits):
    """During a rotation an event is signed with both secrets: old and new receivers verify it."""
    earn(store)
    dispatcher_factory(secrets).deliver_due()
    (delivery,) = receiver.heard
    assert receiver.verified([SECRET, OTHER_SECRET], delivery) == fits


def test_signature_covers_the_body_and_the_id(store, receiver, dispatcher):
    """Another body or another id does not verify: neither can be exchanged on the way."""
    earn(store, 2)
    dispatcher.deliver_due()
    one, two = receiver.heard
    for headers, body in (
        (one.headers, one.body + b" "),
        (one.headers, two.body),
        ({**one.headers, "webhook-id": two.id}, one.body),
        ({**one.headers, "webhook-timestamp": "1700000000"}, one.body),
    ):
        changed = type(one)(one.path, one.id, headers, body, None)
        assert receiver.verified([SECRET], changed) == [False]
    assert receiver.verified([SECRET], one) == [True]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE hokusai_reward_events SET data = '{}' WHERE sequence = 2",
        "UPDATE hokusai_reward_events SET data = 'no JSON' WHERE sequence = 2",
        "UPDATE hokusai_reward_events SET token_id = 'OTHER-1' WHERE sequence = 2",
        "DELETE FROM hokusai_reward_events WHERE sequence = 2",
    ],
)
def test_an_event_that_was_tampered_with_is_not_sent(store, receiver, dispatcher, statement):
    """The registry does not put its signature under what it did not write; the others go on."""
    ids = earn(store, 3)
    with store.engine.begin() as connection:
        connection.execute(text(statement))
    assert dispatcher.deliver_due() == 3
    # Nothing proves that what follows a removed event follows it.
    left = [] if statement.startswith("DELETE") else [ids[2]]
    assert receiver.ids == [ids[0], *left]
    third = "delivered" if left else "dead"
    assert deliveries(store) == [("delivered", 1), ("dead", 1), (third, 1)]
    assert "rewards verify" in (attempts(store)[1][3] or "")


def rewrite(store: Any, **changes: Any) -> str:
    """Make of the last event another one, whose own hash fits; its id."""
    with store.engine.connect() as connection:
        row = max(rows(connection, "hokusai_reward_events"), key=lambda r: r["sequence"])
    new = {**row, **changes}
    new["data"] = json.dumps(
        {**json.loads(row["data"]), "contributors": [{"contributor": "mallory"}]}
    )
    new["hash"] = own_hash(new)
    if new["sequence"] == row["sequence"]:
        run_sql(store, "DELETE FROM hokusai_reward_events WHERE sequence = :n", n=new["sequence"])
    else:
        run_sql(
            store,
            "INSERT INTO hokusai_reward_deliveries SELECT workspace, :n, status, attempts, "
            "next_attempt_time, replayed_after, seal FROM hokusai_reward_deliveries "
            "WHERE sequence = 2",
            n=new["sequence"],
        )
        reseal(store)
    columns = ", ".join(new)
    values = ", ".join(f":{column}" for column in new)
    run_sql(store, f"INSERT INTO hokusai_reward_events ({columns}) VALUES ({values})", **new)
    return new["event_id"]


def advance(store: Any) -> None:
    """Make the ledger's own row end with the last event."""
    run_sql(
        store,
        "UPDATE hokusai_reward_ledgers SET "
        "last_sequence = (SELECT max(sequence) FROM hokusai_reward_events), last_hash = "
        "(SELECT hash FROM hokusai_reward_events ORDER BY sequence DESC LIMIT 1)",
    )


@pytest.mark.parametrize(
    "forgery", ["behind the end", "no decision", "paid again", "other chain", "other payee"]
)
def test_a_forged_event_is_not_sent(store, receiver, dispatcher, forgery):
    """A row whose own hash fits proves nothing: its place in the chain, its decision and its id
    must fit as well.
    """
    earn(store, 2)
    last_hash = events(store)[-1]["hash"]
    another = {"sequence": 3, "event_id": str(uuid.uuid4()), "previous_hash": last_hash}
    if forgery == "no decision":
        another["decision_id"] = str(uuid.uuid4())
    elif forgery == "other chain":
        another["previous_hash"] = 64 * "f"
    forged = rewrite(store, **({} if forgery == "other payee" else another))
    if forgery not in ("behind the end", "other payee"):
        advance(store)
    dispatcher.deliver_due()
    assert forged not in receiver.ids
    assert b"mallory" not in b"".join(delivery.body for delivery in receiver.heard)
    assert deliveries(store)[-1] == ("dead", 1)
    assert "rewards verify" in (attempts(store)[-1][3] or "")


@pytest.mark.parametrize(
    "change",
    [
        "SET outcome = 'below_threshold'",
        "SET value = '0.9'",
        "SET token_id = 'OTHER-1'",
        None,
    ],
)
def test_an_event_without_its_decision_is_not_sent(store, receiver, dispatcher, change):
    """What the registry does not say itself any more, it does not sign."""
    earn(store)
    achieved = "WHERE outcome = 'achieved'"
    statement = f"UPDATE hokusai_decisions {change}" if change else "DELETE FROM hokusai_decisions"
    run_sql(store, f"{statement} {achieved}")
    dispatcher.deliver_due()
    assert receiver.heard == []
    assert deliveries(store) == [("dead", 1)]


def test_a_renamed_model_is_sent(store, receiver, dispatcher):
    """A rename moves the decision, and the event keeps the name of its time: that is no forgery."""
    ids = earn(store)
    store.rename_registered_model("model", "renamed")
    dispatcher.deliver_due()
    assert receiver.ids == ids


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", ["drop", "hang", "refused", "nowhere", 500])
def test_what_the_url_holds_is_not_told(store, receiver, dispatcher_factory, caplog, fault):
    """A secret in the path or the query stands neither in the log nor in the table."""
    caplog.set_level(logging.INFO)
    place = {"refused": "127.0.0.1:1", "nowhere": "s3cret.invalid"}.get(
        fault, f"127.0.0.1:{receiver.port}"
    )
    receiver.answers(fault)
    earn(store)
    url = f"http://{place}/hook/s3cret?key=s3cret"
    dispatcher_factory(url=url, timeout_s=0.5).deliver_due()
    receiver.release()
    ((_sequence, _attempt, _status, error),) = attempts(store)
    assert error
    assert error in caplog.text
    assert "s3cret" not in error + caplog.text


def test_backlog(store, receiver, dispatcher, clock):
    """How many events wait, and how long the oldest has; none once they are delivered."""
    with store.engine.connect() as connection:
        assert delivery_state.backlog(connection) == (0, None)
    assert store.ask(delivery_backlog.age_s) == 0.0
    earn(store, 2)
    with store.engine.connect() as connection:
        assert delivery_state.backlog(connection) == (2, events(store)[0]["timestamp"])
    assert store.ask(delivery_backlog.age_s) > 0.0
    dispatcher.deliver_due()
    assert store.ask(delivery_backlog.age_s) == 0.0


def test_how_deliveries_stand(store, receiver, dispatcher):
    """For each event, where its delivery stands and how the last attempt ended."""
    earn(store, 2)
    receiver.answers(500)
    dispatcher.deliver_due(1)
    with store.engine.connect() as connection:
        found = delivery_state.read_deliveries(connection, "default", [1, 2, 3])
    assert {key: (row["status"], row["attempts"]) for key, row in found.items()} == {
        1: ("pending", 1),
        2: ("pending", 0),
    }
    assert (found[1]["http_status"], found[1]["error"]) == (500, "The receiver answered 500.")
    assert (found[2]["http_status"], found[2]["error"]) == (None, None)


@pytest.mark.parametrize("database_uri", ["postgresql", "mysql"], indirect=True)
def test_connections_that_are_cut(store, receiver, dispatcher_factory, database_uri, clock):
    """The database cuts every connection while an event is being sent: it is delivered at least
    once, and so are the others, if need be by another dispatcher.
    """
    ids = earn(store, 3)

    def answer(_delivery):
        _cut_connections(database_uri)
        return 200

    receiver.answer = answer
    while any(status != "delivered" for status, _attempts in deliveries(store)):
        try:
            dispatcher_factory().deliver_due()
        except Exception as error:  # whatever the driver says
            assert "connection" in str(error).lower()  # noqa: PT017
        clock.advance(LEASE_S)
    assert receiver.first_ids == ids


def _cut_connections(database_uri: str) -> None:
    engine = create_engine(database_uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if database_uri.startswith("postgresql"):
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        else:
            others = connection.execute(
                text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
                )
            )
            for (other,) in others.all():
                connection.execute(text(f"KILL {other}"))
    engine.dispose()


def test_a_dispatcher_that_is_killed(database_uri, store, receiver):
    """Killed before any statement, before a commit, right before and right after the post: every
    event is delivered in the end, under one id, and each attempt is in the log.
    """
    deaths = 0
    with killable("support.killed_tasks:dispatching", database_uri, receiver.url) as process:
        while True:
            ids = earn(store)
            ahead_s = 100 * deaths
            if process.run(kill_at=deaths + 1, ahead_s=ahead_s):
                break
            deaths += 1
        assert process.run(ahead_s=ahead_s + 100)
    assert deaths >= 8
    assert {status for status, _attempts in deliveries(store)} == {"delivered"}
    assert set(receiver.ids) == set(ids)
    assert len(receiver.ids) > len(ids)
    bodies: dict[str, set[bytes]] = {}
    for delivery in receiver.heard:
        assert delivery.event is not None
        bodies.setdefault(delivery.id, set()).add(delivery.body)
    assert all(len(different) == 1 for different in bodies.values())
    assert len(attempts(store)) >= len(receiver.heard)
    assert_sound(store)


PRIVATE = [
    "https://127.0.0.1/hook",
    "https://localhost/hook",
    "https://10.0.0.1/hook",
    "https://192.168.1.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/hook",
    "http://127.0.0.1/hook",
    "https://0.0.0.0/hook",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_refused(url):
    """The server does not post inside its own network unless it is told to."""
    with pytest.raises(MlflowException):
        webhook_session(url, allow_private=False)
    assert webhook_session(url, allow_private=True)


@pytest.mark.parametrize("url", ["https://192.0.2.1.example.invalid/", "https://"])
def test_addresses_that_lead_nowhere_are_refused(url):
    """A name that cannot be looked up is no public address; it may be one later."""
    with pytest.raises((MlflowException, ReceiverUnresolved)):
        webhook_session(url, allow_private=False)


@pytest.mark.parametrize("url", ["https://8.8.8.8/hook", "http://8.8.8.8/hook"])
def test_public_addresses_are_taken(url):
    """Over http too, where the settings allow it."""
    assert webhook_session(url, allow_private=False)


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_a_name_that_turns_private_later(store, receiver, clock):
    """The address of each connection is checked, not only that of the start (DNS rebinding)."""
    earn(store)
    session = webhook_session("https://8.8.8.8/hook", allow_private=False)
    guarded = Dispatcher(store.engine, Receiver(receiver.url, [SECRET]), POLICY, session)
    assert guarded.deliver_due() == 1
    assert receiver.heard == []
    assert deliveries(store) == [("pending", 1)]
    assert attempts(store)[0][3] == "SSRFProtectionError"


URL, SECRETS = "HOKUSAI_REWARD_WEBHOOK_URL", "HOKUSAI_REWARD_WEBHOOK_SECRETS"


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({URL: "http://rewards.example/"}, "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP=true"),
        ({URL: "ftp://rewards.example/"}, "no http"),
        ({URL: "rewards.example"}, "no http"),
        ({URL: "https:///hook"}, "no http"),
        ({SECRETS: ""}, "one signing secret, or two"),
        ({SECRETS: f"{SECRET} {OTHER_SECRET} {SECRET}"}, "one signing secret, or two"),
        ({SECRETS: SECRET.removeprefix("whsec_")}, "a secret is 'whsec_'"),
        ({SECRETS: "whsec_c2hvcnQ="}, "at least 24 random bytes"),
        ({SECRETS: "whsec_!!!"}, "at least 24 random bytes"),
        ({"HOKUSAI_REWARD_TIMEOUT_S": "0"}, "greater than 0"),
        ({"HOKUSAI_REWARD_RETRY_BASE_S": "nan"}, "greater than 0"),
        ({"HOKUSAI_REWARD_RETRY_CAP_S": "inf"}, "greater than 0"),
        ({"HOKUSAI_REWARD_MAX_ATTEMPTS": "0"}, "1 or more"),
        ({"HOKUSAI_REWARD_MAX_ATTEMPTS": "1.5"}, "1 or more"),
    ],
)
def test_settings_that_cannot_be_used(environ, fault):
    """A wrong setting of the delivery stops the start, and never shows a secret."""
    with pytest.raises(SettingsError, match=fault) as caught:
        read_settings(environ)
    assert SECRET not in str(caught.value)


def test_settings():
    """What can be set, and that the secrets do not show where settings are printed."""
    settings = read_settings(
        {
            URL: "http://rewards.internal/hook",
            SECRETS: f"{SECRET}, {OTHER_SECRET}",
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": "true",
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": "true",
            "HOKUSAI_REWARD_TIMEOUT_S": "2.5",
            "HOKUSAI_REWARD_MAX_ATTEMPTS": "7",
            "HOKUSAI_REWARD_RETRY_BASE_S": "1",
            "HOKUSAI_REWARD_RETRY_CAP_S": "60",
        }
    )
    assert settings.webhook_url == "http://rewards.internal/hook"
    assert settings.webhook_secrets == (SECRET, OTHER_SECRET)
    assert settings.webhook_allow_private
    assert settings.webhook_timeout_s == 2.5
    assert settings.retry == RetryPolicy(7, 1.0, 60.0)
    assert SECRET not in repr(settings)


def test_the_body_is_canonical(store, receiver, dispatcher):
    """The body is the event's canonical JSON: hashed without its hash it gives that hash."""
    earn(store)
    dispatcher.deliver_due()
    body = receiver.heard[0].body
    event = json.loads(body)
    assert body == json.dumps(event, sort_keys=True, separators=(",", ":")).encode()


def test_engines_of_several_dispatchers(database_uri, store, receiver, clock):
    """Dispatchers need no store: the database's URI is enough."""
    earn(store)
    session = webhook_session(receiver.url, allow_private=True)
    other = Dispatcher(engine_of(database_uri), Receiver(receiver.url, [SECRET]), POLICY, session)
    assert other.deliver_due() == 1


def test_a_receiver_that_is_gone(store, receiver, dispatcher, dispatcher_factory, clock):
    """410 stops all dispatchers' deliveries to it, also of later events; none of them is lost."""
    earn(store, 2)
    receiver.answers(410)
    for each in (dispatcher, dispatcher, dispatcher_factory()):
        with pytest.raises(ReceiverGone, match="answered 410"):
            each.deliver_due()
        clock.advance(7 * 3600)
    assert len(receiver.heard) == 1
    assert deliveries(store) == [("pending", 1), ("pending", 0)]
    assert attempts(store) == [(1, 1, 410, "The receiver answered 410.")]
    receiver.answers(204)
    with store.engine.begin() as connection:
        receiver_state.resume(connection)
    assert dispatcher_factory().deliver_due() == 2
    assert_sound(store)


def test_gone_at_the_last_attempt(store, receiver, dispatcher_factory):
    """An event is not given up because its receiver is gone."""
    earn(store)
    receiver.answers(410)
    with pytest.raises(ReceiverGone):
        dispatcher_factory(policy=RetryPolicy(max_attempts=1)).deliver_due()
    assert deliveries(store) == [("pending", 1)]


def test_another_receiver(store, receiver, dispatcher, dispatcher_factory, clock):
    """What one receiver answered says nothing of another."""
    earn(store)
    receiver.answers(410)
    with pytest.raises(ReceiverGone):
        dispatcher.deliver_due()
    clock.advance(300)
    with receiving() as other:
        assert dispatcher_factory(url=other.url).deliver_due() == 1
    with store.engine.connect() as connection:
        assert receiver_state.stopped_mark(connection) is None


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_to_be_left_alone(store, receiver, dispatcher, clock, status):
    """``Retry-After`` holds back every event, no longer than the longest wait."""
    earn(store, 2)
    receiver.answers((status, "250"), (status, "999999999"), 204)
    assert dispatcher.deliver_due() == 1
    clock.advance(245)
    assert dispatcher.deliver_due() == 0
    clock.advance(5)
    assert dispatcher.deliver_due() == 1
    clock.advance(295)
    assert dispatcher.deliver_due() == 0
    clock.advance(5)
    assert dispatcher.deliver_due() == 2
    assert [status for status, _attempts in deliveries(store)] == 2 * ["delivered"]


def test_retry_after_of_another_answer(store, receiver, dispatcher):
    """Where the status does not ask for patience, the header says nothing."""
    earn(store, 2)
    receiver.answers((500, "250"), 204)
    assert dispatcher.deliver_due() == 2
