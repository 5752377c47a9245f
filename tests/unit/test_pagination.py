"""Page tokens: opaque, and bound to the query that they continue."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.domain.errors import InvalidRequest
from hokusai_mlflow_plugin.services.queries import pagination

QUERY = ("list-by-token", "IMG-001")
KINDS = (pagination.MILLISECONDS, str, pagination.VERSION)


def forged(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


# PostgreSQL keeps no NUL in a text, so no position holds one.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=256)


@given(
    st.tuples(st.integers(0, 2**63 - 1), TEXT, st.integers(0, 2**31 - 1)),
    st.lists(TEXT, max_size=3),
)
@example((2**63 - 1, 256 * "😀", 2**31 - 1), ["lineage", 256 * "😀"])
def test_position_comes_back(position, query):
    """Whatever position a page ended at is found again, and the token fits into a URL."""
    token = pagination.encode(query, position)
    assert pagination.decode(token, query, KINDS) == list(position)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@pytest.mark.parametrize("token", [None, ""])
def test_no_token(token):
    """Without a token the first page is meant."""
    assert pagination.decode(token, QUERY, KINDS) is None


def test_token_of_another_query():
    """A token does not continue another token's list, nor another route's."""
    token = pagination.encode(QUERY, (1, "a", 1))
    for query in (("list-by-token", "IMG-002"), ("lineage", "IMG-001"), ()):
        with pytest.raises(InvalidRequest, match="page_token"):
            pagination.decode(token, query, KINDS)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "%%%",
        "é",
        "\x00",
        "AAAA",
        forged(None),
        forged(5),
        forged("text"),
        forged({}),
        forged([]),
        forged([list(QUERY)]),
        forged([list(QUERY), None]),
        forged([list(QUERY), {}]),
        forged([list(QUERY), []]),
        forged([list(QUERY), [1, "a"]]),
        forged([list(QUERY), [1, "a", 1, 1]]),
        forged([list(QUERY), ["1", "a", 1]]),
        forged([list(QUERY), [1, 2, 3]]),
        forged([list(QUERY), [True, "a", 1]]),
        forged([list(QUERY), [1.0, "a", 1]]),
        forged([list(QUERY), [None, "a", 1]]),
        forged([list(QUERY), [-1, "a", 1]]),
        forged([list(QUERY), [2**63, "a", 1]]),
        forged([list(QUERY), [10**400, "a", 1]]),
        forged([list(QUERY), [1, "a", 2**31]]),
        forged([list(QUERY), [1, "a", 2**63 - 1]]),
        forged([list(QUERY), [float("nan"), "a", 1]]),
        forged([list(QUERY), [1, "\ud800", 1]]),
        forged([list(QUERY), [1, "\0", 1]]),
        forged([list(QUERY), [1, "a", 1]]) + "\n",
        forged([list(QUERY), [1, "a", 1]]).rstrip("=") + "*",
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(3000 * b"[").decode(),
        100_000 * "A",
        base64.b64encode(b"[" + 3000 * b"9" + b"]").decode(),
    ],
    ids=range(35),
)
def test_forged_token(token):
    """Whatever this registry did not give out is a wrong request, and never a crash."""
    with pytest.raises(InvalidRequest, match="page_token"):
        pagination.decode(token, QUERY, KINDS)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.b64encode(b).decode()))
def test_any_text(token):
    """No text crashes the server."""
    try:
        assert pagination.decode(token, QUERY, KINDS) is None
        assert token == ""
    except InvalidRequest:
        pass
