"""``rewards dispatch`` while its database is away, and what its log does not tell."""

from __future__ import annotations

import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from cli.commands import failed, run
from sqlalchemy import create_engine, make_url, text
from support.damage import run_sql
from support.receiver import SECRET, receiving
from support.registry import VALUE, create_version, token_tags

from hokusai_mlflow_plugin.cli import delivery, repeating
from hokusai_mlflow_plugin.services.rewards.posting import Answer, Poster

AWAY = "ALTER TABLE hokusai_reward_deliveries RENAME TO hokusai_away"
BACK = "ALTER TABLE hokusai_away RENAME TO hokusai_reward_deliveries"


class Stopped(Exception):
    """Somebody stopped the command."""


@pytest.fixture
def earned(store):
    """A store with one reward event."""
    for value in ("0.5", "0.6"):
        create_version(store, tags=token_tags(**{VALUE: value}))
    return store


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def dispatch(database_uri, receiver):
    """Runs the command on the test's database."""

    def start(*options, url=None, private="true"):
        environ = {
            "HOKUSAI_REWARD_WEBHOOK_URL": url or receiver.url,
            "HOKUSAI_REWARD_WEBHOOK_SECRETS": SECRET,
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_HTTP": "true",
            "HOKUSAI_REWARD_WEBHOOK_ALLOW_PRIVATE": private,
        }
        return run("rewards", "dispatch", database_uri, *options, environ=environ)

    return start


@pytest.fixture
def waits(monkeypatch):
    """The command's waits do not take time; ``then`` says what happens in each."""
    made = SimpleNamespace(seconds=[], then={})

    def sleep(seconds):
        made.seconds.append(seconds)
        made.then.get(len(made.seconds), lambda: None)()

    for module in (delivery, repeating):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, time_ns=time.time_ns))
    return made


def stop():
    raise Stopped


def test_a_database_that_is_away_for_a_while(earned, dispatch, receiver, waits, caplog):
    """It says so in a line, looks again ever later, up to half a minute, and goes on."""
    run_sql(earned, AWAY)
    waits.then = {8: lambda: run_sql(earned, BACK), 10: stop}
    with pytest.raises(Stopped):
        dispatch("--interval", "7")
    assert waits.seconds == [1, 2, 4, 8, 16, 30, 30, 30, 7, 7]
    assert len(receiver.heard) == 1
    told = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(told) == 8
    assert all("\n" not in each.getMessage() and each.exc_info is None for each in told)
    assert told[0].getMessage().startswith("The database cannot be used: ")
    assert told[0].getMessage().endswith("Next look in 1 seconds.")


@pytest.mark.parametrize("database_uri", ["postgresql"], indirect=True)
def test_a_server_that_takes_no_connections(earned, database_uri, dispatch, receiver, waits):
    """Connections are cut and none is let in; later they are, and the event is sent."""
    url = make_url(database_uri)
    server = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    earned.engine.dispose()

    def let_in(allowed):
        with server.connect() as connection:
            connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS {allowed}'))
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                ),
                {"name": url.database},
            )

    receiver.answer = lambda _delivery: let_in("false") or 500
    waits.then = {3: lambda: let_in("true"), 5: stop}
    try:
        with pytest.raises(Stopped):
            dispatch("--interval", "7")
    finally:
        let_in("true")
        server.dispose()
    assert waits.seconds == [1, 2, 4, 7, 7]


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_once(earned, dispatch):
    """With --once an outage is the command's one sentence, and its exit status."""
    run_sql(earned, AWAY)
    assert failed(dispatch("--once")).startswith("The database cannot be used: ")
    run_sql(earned, BACK)
    assert dispatch("--once").output == "1 attempt made.\n"


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_an_answer_with_odd_headers(earned, dispatch, caplog):
    """What the HTTP library warns of quotes the URL; the log does not."""

    def answer():
        connection, _address = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/s3cret?key=s3cret"
        assert dispatch("--once", url=url).output == "1 attempt made.\n"
        answered.result()
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_a_receiver_that_is_gone(earned, dispatch, receiver, database_uri):
    """410 ends the command with a sentence; ``rewards list`` says it, and --resume begins anew."""
    receiver.answers(410, 204)
    assert "answered 410 Gone" in failed(dispatch())
    assert "answered 410 Gone" in failed(dispatch("--once"))
    assert len(receiver.heard) == 1
    listed = run("rewards", "list", database_uri)
    assert "answered 410 Gone" in listed.errors
    assert "pending (1)" in listed.output
    run_sql(earned, "UPDATE hokusai_reward_deliveries SET next_attempt_time = 0")
    assert dispatch("--once", "--resume").output == "1 attempt made.\n"
    assert "410" not in run("rewards", "list", database_uri).errors


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)
def test_a_name_that_does_not_resolve_yet(earned, dispatch, receiver, waits, monkeypatch, caplog):
    """It waits for it, ever longer, and then delivers; with --once it ends with a sentence."""
    look_up, known = socket.getaddrinfo, []

    def resolver(host, *arguments, **options):
        if host == "rewards.example" and not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up("8.8.8.8" if host == "rewards.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    url = "https://rewards.example/s3cret"
    assert "does not resolve" in failed(dispatch("--once", url=url, private="false"))
    waits.then = {3: lambda: known.append(True), 4: stop}
    monkeypatch.setattr(Poster, "post", lambda *_arguments: Answer(204))  # nothing leaves here
    with pytest.raises(Stopped):
        dispatch("--interval", "7", url=url, private="false")
    assert waits.seconds == [1, 2, 4, 7]
    assert "s3cret" not in caplog.text
    with earned.engine.connect() as connection:
        (status,) = connection.execute(text("SELECT status FROM hokusai_reward_deliveries")).one()
    assert status == "delivered"
