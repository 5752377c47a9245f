"""A receiver inside a company's network: with a private authority, behind a proxy."""

from __future__ import annotations

import time

import pytest
import requests
from mlflow.exceptions import MlflowException
from support.proxy import proxying
from support.receiver import receiving
from support.tls import PrivateAuthority

from hokusai_mlflow_plugin.services.rewards.posting import DeadlineExceeded, Poster, failure
from hokusai_mlflow_plugin.settings import read_settings
from hokusai_mlflow_plugin.store.mlflow_compat.server import webhook_session

ELSEWHERE = "rewards.example.invalid"
"""A name that only the proxy knows."""


@pytest.fixture
def authority(tmp_path):
    return PrivateAuthority(tmp_path)


@pytest.fixture
def receiver(authority):
    """A reward service with a certificate of the private authority."""
    with receiving(tls=authority.server_context()) as found:
        yield found


@pytest.fixture
def proxy(receiver):
    with proxying(receiver.port) as found:
        yield found


def poster(url, timeout_s=10.0, **settings):
    session = webhook_session(url, **{"allow_private": True, **settings})
    return Poster(session, url, timeout_s)


def ca_file(authority):
    """The setting as it is read at the start."""
    name = "HOKUSAI_REWARD_WEBHOOK_CA_FILE"
    return read_settings({name: str(authority.ca_file)}).webhook_ca_file


def test_a_private_authority(authority, receiver):
    """Its certificates are taken where the file names it, and nowhere else."""
    url = f"https://localhost:{receiver.port}/hook"
    assert poster(url, ca_file=ca_file(authority)).post(b"{}", {}).status == 204
    with pytest.raises(requests.exceptions.SSLError) as caught:
        poster(url).post(b"{}", {})
    assert "CERTIFICATE_VERIFY_FAILED" in failure(caught.value)


def test_a_name_that_is_not_in_the_certificate(authority, receiver):
    """The file says whom to trust, not that any name will do."""
    with pytest.raises(requests.exceptions.SSLError):
        poster(f"https://127.0.0.1:{receiver.port}/hook", ca_file=ca_file(authority)).post(b"", {})


@pytest.mark.parametrize("allow_private", [True, False])
def test_through_a_proxy(authority, receiver, proxy, allow_private):
    """The proxy, which may be private, connects; TLS is with the receiver, by its own name."""
    url = f"https://{ELSEWHERE}/hook"
    through = poster(
        url,
        allow_private=allow_private,
        ca_file=ca_file(authority),
        proxy=f"http://user:s3cret@127.0.0.1:{proxy.port}",
    )
    with pytest.raises(requests.exceptions.SSLError) as caught:  # its certificate is of localhost
        through.post(b"{}", {})
    assert "CERTIFICATE_VERIFY_FAILED" in failure(caught.value)
    (request,) = proxy.heard
    assert request.startswith(f"CONNECT {ELSEWHERE}:443 HTTP/1.")
    assert "Proxy-Authorization: Basic dXNlcjpzM2NyZXQ=" in request
    assert "hook" not in request
    local = f"https://localhost:{receiver.port}/hook"
    proxied = f"http://127.0.0.1:{proxy.port}"
    assert poster(local, ca_file=ca_file(authority), proxy=proxied).post(b"{}", {}).status == 204
    assert len(proxy.heard) == 2


def test_without_tls_through_a_proxy():
    """A receiver without TLS is asked by its whole URL."""
    with receiving() as plain, proxying(plain.port) as proxy:
        url = f"http://{ELSEWHERE}/hook"
        through = poster(url, proxy=f"http://127.0.0.1:{proxy.port}", allow_private=False)
        assert through.post(b"{}", {}).status == 204
        assert proxy.heard[0].startswith(f"POST {url} HTTP/1.1")


def test_a_proxy_that_refuses(receiver, proxy):
    """What the proxy answered is told, and neither its password nor the URL."""
    proxy.refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    through = poster(f"https://{ELSEWHERE}/s3cret", proxy=f"http://u:s3cret@127.0.0.1:{proxy.port}")
    with pytest.raises(requests.exceptions.ProxyError) as caught:
        through.post(b"{}", {})
    assert "the proxy answered 407" in failure(caught.value)
    assert "s3cret" not in failure(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receiver_that_hangs_behind_a_proxy(authority, scheme):
    """The deadline is one of the whole attempt there, too."""
    tls = authority.server_context() if scheme == "https" else None
    with receiving(tls=tls) as slow, proxying(slow.port) as proxy:
        slow.answers("hang")
        url = f"{scheme}://localhost:{slow.port}/hook"
        through = poster(
            url, 1.0, ca_file=ca_file(authority), proxy=f"http://127.0.0.1:{proxy.port}"
        )
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            through.post(b"{}", {})
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1", "[::1]", "169.254.169.254", "localhost"])
def test_a_private_address_behind_a_proxy(host):
    """One that the URL itself spells out is refused as without a proxy."""
    with pytest.raises(MlflowException):
        webhook_session(f"https://{host}/hook", allow_private=False, proxy="http://127.0.0.1:3128")
