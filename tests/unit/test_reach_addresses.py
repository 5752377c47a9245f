"""Which server is which, and what is told of a URI (R16)."""

from __future__ import annotations

import pytest

from hokusai.reach.addresses import is_reaching, is_same_server, is_shared, reaching, shown
from hokusai.reach.settings import CopyMode, ReachSettings, asked_mode, copying


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("https://user:s3cret@host:5000/path", "https://host:5000/path"),
        ("https://user:s3/cr@et@host/path", "https://host/path"),
        ("https://host/?token=s3cret#s3cret", "https://host/"),
        ("postgresql://u:s3/cret@db/mlflow?sslpassword=s3cret", "postgresql://db/mlflow"),
        ("mysql+pymysql://u:s3cr@et@db/mlflow", "mysql+pymysql://db/mlflow"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("/home/me/mlruns", "/home/me/mlruns"),
    ],
)
def test_a_uri_is_told_without_credentials(uri: str, told: str) -> None:
    """No user, no password, no parameter of a URI gets into a tag."""
    assert shown(uri) == told
    assert "s3cr" not in shown(uri)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://host:5000", "http://HOST:5000/", True),
        ("https://host", "https://user:p@host:443", True),
        ("http://host", "https://host", False),
        ("http://host/a", "http://host/b", False),
        ("http://host", "sqlite:///mlflow.db", False),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db", False),
    ],
)
def test_one_server(one: str, other: str, same: bool) -> None:
    """Addresses are compared as the network takes them."""
    assert is_same_server(one, other) is same


def test_schemes() -> None:
    """Only a server's URI reaches, and only storage of many is shared."""
    assert is_reaching("hokusai+https://host")
    assert not is_reaching("hokusai+sqlite:///hokusai.db")
    assert reaching("http://host") == reaching("hokusai+http://host") == "hokusai+http://host"
    for uri in ("s3://b/k", "gs://b/k", "wasbs://c@a/k", "abfss://c@a/k", "dbfs:/k", "hdfs://n/k"):
        assert is_shared(uri)
    for uri in ("/var/x", "file:///var/x", "mlflow-artifacts:/0/x", "http://host/x", "ftp://h/x"):
        assert not is_shared(uri)


def test_the_caller_comes_first() -> None:
    """copy=True and copy=False go before the settings, in their block alone."""
    settings = ReachSettings(copy=CopyMode.NEVER)
    with copying(True):
        assert asked_mode(settings) is CopyMode.ALWAYS
        with copying(None):
            assert asked_mode(settings) is CopyMode.NEVER
    assert asked_mode(settings) is CopyMode.NEVER
