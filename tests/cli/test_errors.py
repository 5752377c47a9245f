"""A foreseeable error is one sentence, without a traceback and without a password."""

from __future__ import annotations

import pytest
from cli.commands import failed, run

from hokusai_mlflow_plugin.cli.output import masked
from hokusai_mlflow_plugin.db import drivers

NOBODY = "127.0.0.1:1"
DATABASE_COMMANDS = [
    ("db", "upgrade"),
    ("db", "current"),
    ("db", "check"),
    ("index", "verify"),
    ("index", "rebuild"),
    ("rewards", "list"),
    ("rewards", "verify"),
]


@pytest.mark.parametrize("command", DATABASE_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "hokusai+mysql+pymysql"])
def test_database_that_does_not_answer(command, scheme):
    """Nobody listens there."""
    sentence = failed(run(*command, f"{scheme}://user:s3cret@{NOBODY}/mlflow"))
    assert sentence.startswith("The database cannot be used: ")
    assert "s3cret" not in sentence


@pytest.mark.parametrize(
    "uri",
    [
        "nonsense",
        "oracle+nonsense://user:s3cret@host/x",
        "postgresql://user:s3cret@host:port/x",
        "postgresql+psycopg://user:has@s3cret@host/x",
        f"mysql+pymysql://user:s3cret@{NOBODY}/x?unknown=1",
    ],
)
def test_uri_that_is_none(uri):
    """It is not quoted: where its password ends, nobody knows."""
    assert "s3cret" not in failed(run("db", "check", uri), 2)


def test_file_that_is_not_there(folder):
    """No empty database is made of a misspelt name."""
    assert failed(run("db", "upgrade", "sqlite:///mlfow.db")) == (
        "There is no SQLite database mlfow.db."
    )
    assert list(folder.iterdir()) == []


def test_file_that_is_no_database(folder):
    """SQLite's own words."""
    (folder / "notes.txt").write_text("Dear diary" * 1000)
    assert "file is not a database" in failed(run("db", "check", "sqlite:///notes.txt"))


@pytest.mark.parametrize(
    ("uri", "remedies"),
    [
        (
            "mysql://user:s3cret@host/x",
            ["MySQLdb", "mysql+pymysql://", "pip install 'mysqlclient'"],
        ),
        ("mysql+cymysql://user:s3cret@host/x", ["cymysql", "mysql+pymysql://"]),
        ("mssql+pymssql://user:s3cret@host/x", ["pymssql", "pip install 'pymssql'"]),
        ("postgresql+asyncpg://user:s3cret@host/x", ["asynchronous", "postgresql+psycopg://"]),
    ],
)
def test_driver_that_cannot_be_used(uri, remedies):
    """The sentence says what is installed, what to write, and what to install."""
    sentence = failed(run("db", "check", uri))
    assert [remedy for remedy in remedies if remedy not in sentence] == []
    assert "s3cret" not in sentence


def test_driver_of_the_extra(monkeypatch):
    """Where no driver of the database is installed, the project's extra is named."""
    monkeypatch.setattr(drivers, "find_spec", lambda _name: None)
    sentence = failed(run("db", "check", "mysql://user:s3cret@host/x"))
    assert "pip install 'hokusai-mlflow-plugin[mysql]' and write mysql+pymysql://" in sentence


def test_server_in_place_of_its_database():
    """Commands on a database say so when they get a server."""
    sentence = failed(run("index", "verify", "http://user:s3cret@127.0.0.1:5000"), 2)
    assert "Name the database that it runs on" in sentence
    assert "s3cret" not in sentence


def test_setting_that_cannot_be_used(folder):
    """Settings are checked by each command that depends on them."""
    done = run("index", "verify", "sqlite:///x.db", environ={"HOKUSAI_POLICY": "lax"})
    assert "HOKUSAI_POLICY is 'lax'" in failed(done)


def test_server_that_does_not_answer():
    """A registry over HTTP that nobody serves."""
    environ = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    uri = f"http://user:s3cret@{NOBODY}"
    sentence = failed(run("token", "list", "--registry-uri", uri, environ=environ))
    assert NOBODY in sentence
    assert "s3cret" not in sentence


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("at postgresql://me:s3cret@host/x now", "at postgresql://me:***@host/x now"),
        ("at postgresql://me:s3@cr/et@host/x now", "at postgresql://me:***@host/x now"),
        ("mysql://h/x?password=s3cret&ssl=1", "mysql://h/x?password=***&ssl=1"),
        ("redis://:s3cret@host", "redis://:***@host"),
        ("sqlite:////srv/mlflow.db at 10:30", "sqlite:////srv/mlflow.db at 10:30"),
        ("http://127.0.0.1:5000/x", "http://127.0.0.1:5000/x"),
        ("mail me@example.org", "mail me@example.org"),
    ],
)
def test_masked(message, expected):
    """Passwords go, everything else stays."""
    assert masked(message) == expected
