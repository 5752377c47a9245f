"""The hash of a reward event: SHA-256 over its canonical JSON (RFC 8785).

The canonical form is made here by other means than in the code: an event holds only strings, whole
numbers, booleans, nulls, lists and objects, and for those the standard library can write it.
"""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from hokusai_mlflow_plugin.services.rewards.ledger import FIRST_HASH, event_hash

EVENT = {
    "sequence": 1,
    "id": "5a3e2c0e-6c1f-5f0a-9a39-6a1f0c1e7b11",
    "type": "hokusai.deltaone.achieved",
    "timestamp": 1_700_000_000_000,
    "token_id": "IMG-001",
    "data": {"value": "0.87", "run_id": None, "contributors": [{"payable": True, "weight": 10000}]},
    "previous_hash": FIRST_HASH,
}

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)
events = st.dictionaries(texts.filter(lambda key: key != "hash"), values)


def canonical(value: object) -> bytes:
    """RFC 8785 for what an event can hold: keys in the order of their UTF-16 code units."""
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":")).encode()


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        in_order = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return {key: _sorted(each) for key, each in in_order}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def test_known_hash():
    """The hash of a known event never changes: receivers have kept it."""
    text = (
        '{"data":{"contributors":[{"payable":true,"weight":10000}],"run_id":null,"value":"0.87"},'
        '"id":"5a3e2c0e-6c1f-5f0a-9a39-6a1f0c1e7b11","previous_hash":"' + 64 * "0" + '",'
        '"sequence":1,"timestamp":1700000000000,"token_id":"IMG-001",'
        '"type":"hokusai.deltaone.achieved"}'
    )
    assert event_hash(EVENT) == hashlib.sha256(text.encode()).hexdigest()
    assert event_hash(EVENT) == "ed5873d750e9c947420efcb82f7668888f6f7653787b0b9099f14197e14bd8d8"


@given(events)
def test_hash_of_any_event(event):
    """The hash is that of the canonical JSON, worked out independently."""
    assert event_hash(event) == hashlib.sha256(canonical(event)).hexdigest()


@given(values)
def test_canonical_json(value):
    """The two ways to the canonical form agree, control characters and emoji included."""
    assert rfc8785.dumps(value) == canonical(value)


def test_own_hash_is_left_out():
    """An event is hashed without its own hash, so that a receiver can hash what it got."""
    assert event_hash({**EVENT, "hash": event_hash(EVENT)}) == event_hash(EVENT)


@given(st.permutations(list(EVENT)))
def test_order_of_keys_does_not_matter(keys):
    """JSON objects have no order: a database or a proxy may change it."""
    assert event_hash({key: EVENT[key] for key in keys}) == event_hash(EVENT)


@pytest.mark.parametrize("key", sorted(EVENT))
def test_every_field_counts(key):
    """Another value of any field gives another hash."""
    for other in ("other", None, 2, {"value": "0.86"}):
        assert event_hash({**EVENT, key: other}) != event_hash(EVENT)


@pytest.mark.parametrize("value", [float("nan"), 2**53, b"bytes"])
def test_what_json_cannot_tell_exactly_is_no_event(value):
    """A number that JSON readers would round has no canonical form."""
    with pytest.raises((ValueError, TypeError)):
        event_hash({**EVENT, "data": value})
