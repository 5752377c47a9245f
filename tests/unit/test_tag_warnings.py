"""R15: what is not refused, but is likely a mistake."""

from __future__ import annotations

import json

import pytest
from support.addresses import ADDRESS, MISTYPED_ADDRESSES
from support.registry import METRIC, PROMPT, VALUE, token_tags

from hokusai_mlflow_plugin.domain.addresses import ZERO_ADDRESS
from hokusai_mlflow_plugin.domain.built_in_metrics import BUILT_IN
from hokusai_mlflow_plugin.domain.tag_warnings import warnings_of
from hokusai_mlflow_plugin.domain.tags import Context

PAYABLE = ADDRESS.lower()
SHARES = json.dumps([{"address": a, "weight": 5000} for a in (ADDRESS, ZERO_ADDRESS)])


def told(tags, **known):
    """Key and code of each warning."""
    found = warnings_of(tags, Context(catalogue=BUILT_IN), **known)
    return [(each.key, each.code) for each in found]


PREVIOUS = ("previous_version", "previous_version_unknown")

CASES = [
    ({"contributor": PAYABLE}, []),
    ({}, [("contributor_address", "contributor_missing")]),
    ({"contributor": "alice"}, [("contributor", "contributor_not_payable")]),
    ({"contributor_address": "0x123..."}, [("contributor_address", "contributor_not_payable")]),
    ({"contributor": ZERO_ADDRESS}, [("contributor", "contributor_not_payable")]),
    ({"contributor": ADDRESS}, [("contributor", "contributor_checksum_mismatch")]),
    (
        {"contributors": SHARES},
        [
            ("contributors", "contributor_checksum_mismatch"),
            ("contributors", "contributor_not_payable"),
        ],
    ),
    ({"contributor": PAYABLE, METRIC: "uplift"}, [(METRIC, "metric_direction_unknown")]),
    ({"contributor": PAYABLE, METRIC: "uplift", "benchmark_direction": "maximize"}, []),
    *(
        ({"contributor": PAYABLE, "previous_version": text}, [PREVIOUS])
        for text in ("", "v1", "0", "01", "1.0", "latest", "-1", 20 * "9", "١")
    ),
    ({"contributor": PAYABLE, "previous_version": "1"}, []),
    # What is refused is not warned of as well.
    *(({"contributor": text}, []) for text in MISTYPED_ADDRESSES[:3]),
    ({"contributors": "[]"}, []),
    ({"contributor": "a", "contributor_address": "b"}, []),
    ({"contributor": PAYABLE, METRIC: "a%"}, []),
    ({PROMPT: "true"}, []),
]


@pytest.mark.parametrize(("others", "expected"), CASES, ids=range(len(CASES)))
def test_warnings(others, expected):
    """Each likely mistake is told once, with its tag and its code."""
    assert told(token_tags(**others)) == expected


@pytest.mark.parametrize(
    ("is_there", "count"),
    [(True, 0), (None, 0), (False, 1)],
)
def test_a_previous_version_that_is_not_there(is_there, count):
    """Who has looked says so; who has not says nothing."""
    tags = token_tags(contributor=PAYABLE, previous_version="7")
    assert len(told(tags, previous_is_there=is_there)) == count


@pytest.mark.parametrize("value", ["nan", "0.9"])
def test_messages_are_sentences(value):
    """A message names the tag, what is wrong, and what to do; it is no longer for long tags."""
    tags = token_tags(
        **{METRIC: 250 * "m", VALUE: value}, contributor=10_000 * "x", previous_version=10_000 * "9"
    )
    found = warnings_of(tags, Context(catalogue=BUILT_IN))
    assert len(found) == 3
    assert all(each.key in each.message or "Set tag" in each.message for each in found)
    assert all(each.message.endswith(".") and len(each.message) < 600 for each in found)


@pytest.mark.parametrize(
    ("text", "what"),
    [(ZERO_ADDRESS, "the zero address, which nobody owns"), ("alice", "no Ethereum address")],
)
def test_why_nobody_can_be_paid(text, what):
    """The sentence names contributor and tag, and says what is wrong with the address."""
    (found,) = warnings_of({"contributor": text}, Context(catalogue=BUILT_IN))
    assert found.message == (
        f"Contributor {text!r} in tag contributor is {what}, so it cannot be paid. "
        "An address is 0x and 40 hex digits."
    )


SENTENCES = {
    "contributor_missing": (
        token_tags(),
        "The version names no contributor, so nobody is paid for it, and once it is a DeltaOne "
        "only an administrator can name one. Set tag contributor_address to an Ethereum address.",
    ),
    "metric_direction_unknown": (
        {METRIC: "uplift", "contributor": PAYABLE},
        "Nobody said whether more or less uplift is better, so no improvement of it is a DeltaOne. "
        "Set tag benchmark_direction to maximize or minimize, or use a metric of the catalogue.",
    ),
    "contributor_checksum_mismatch": (
        {"contributor": ADDRESS},
        f"The upper and lower case of {ADDRESS} in tag contributor is not that of its EIP-55 "
        "checksum: compare the address with its source.",
    ),
    "previous_version_unknown": (
        {"previous_version": "v1", "contributor": PAYABLE},
        "Tag previous_version is 'v1', which is no older version of this model: it is passed over. "
        "Use a version number, such as 3.",
    ),
}


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences(code):
    """What the user reads: the mistake, its consequence, the remedy."""
    tags, sentence = SENTENCES[code]
    (found,) = warnings_of(tags, Context(catalogue=BUILT_IN))
    assert (found.code, found.message) == (code, sentence)
