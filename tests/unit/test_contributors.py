"""R11: contributors."""

from __future__ import annotations

import json

import pytest

from hokusai_mlflow_plugin.domain.contributors import (
    Contributor,
    check_contributors,
    contributors_of,
    payable_address,
)

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
OTHER = "0x" + 40 * "a"


@pytest.mark.parametrize("text", [ADDRESS, ADDRESS.lower(), "0x" + 40 * "0"])
def test_address_is_payable_in_lower_case(text):
    """An Ethereum address is known in lower case; its checksum is not asked for."""
    assert payable_address(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "0x123...",
        "",
        "alice",
        ADDRESS[:-1],
        ADDRESS + "0",
        ADDRESS + "\n",
        "0X" + 40 * "a",
        42 * "a",
        "0x" + 39 * "a" + "g",
        "0x" + 40 * "１",
        " " + ADDRESS,
    ],
)
def test_other_text_is_not_payable(text):
    """Any other text is kept, and nobody can be paid at it."""
    assert payable_address(text) is None
    assert check_contributors({"contributor_address": text}) is None


@pytest.mark.parametrize("key", ["contributor_address", "contributor"])
def test_either_tag_names_the_contributor(key):
    """Both tag names of the specification mean the same."""
    (contributor,) = contributors_of({key: ADDRESS, "other": "x"})
    assert (contributor.text, contributor.weight) == (ADDRESS, 10_000)
    assert contributor.address == ADDRESS.lower()


def test_nobody_is_named():
    """Tags need not name a contributor."""
    assert contributors_of({"hokusai_token_id": "A-1"}) == ()
    assert check_contributors({"hokusai_token_id": "A-1"}) is None


@pytest.mark.parametrize(
    ("one", "other"), [(ADDRESS, ADDRESS), (ADDRESS, ADDRESS.lower()), ("alice", "alice")]
)
def test_two_tags_that_agree(one, other):
    """Both tags may be there when they name the same contributor, in whatever case of address."""
    assert check_contributors({"contributor_address": one, "contributor": other}) is None


@pytest.mark.parametrize(
    ("one", "other"), [(ADDRESS, OTHER), ("alice", "Alice"), (ADDRESS, ""), ("alice", "bob")]
)
def test_two_tags_that_differ(one, other):
    """Both tags with different contributors are refused."""
    violation = check_contributors({"contributor_address": one, "contributor": other})
    assert violation.code == "contributor_conflict"


@pytest.mark.parametrize("key", ["contributor_address", "contributor"])
def test_text_that_not_every_database_keeps(key):
    """A NUL is refused before a database cuts the text there, or refuses the whole write."""
    violation = check_contributors({key: "alice\0bob"})
    assert (violation.key, violation.code) == (key, "contributor_invalid")


def shares(*pairs: tuple[object, object]) -> dict[str, str]:
    listed = [{"address": address, "weight": weight} for address, weight in pairs]
    return {"contributors": json.dumps(listed)}


def test_shared_contribution():
    """Several contributors share by weights in basis points."""
    tags = shares((ADDRESS, 6000), (OTHER, 4000))
    assert check_contributors(tags) is None
    assert contributors_of(tags) == (Contributor(ADDRESS, 6000), Contributor(OTHER, 4000))


@pytest.mark.parametrize(
    "tags",
    [
        {"contributors": ""},
        {"contributors": "[]"},
        {"contributors": "{}"},
        {"contributors": "[1]"},
        {"contributors": 100_000 * "["},
        {"contributors": '[{"address": "' + ADDRESS + '"}]'},
        {"contributors": f'[{{"address": "{ADDRESS}", "weight": 1, "weight": 10000}}]'},
        shares((ADDRESS, 9999)),
        shares((ADDRESS, 10_000), (OTHER, 0)),
        shares((ADDRESS, 10_001), (OTHER, -1)),
        shares((ADDRESS, 5000.0), (OTHER, 5000.0)),
        shares((ADDRESS, "10000")),
        shares((ADDRESS, True), (OTHER, 9999)),
        shares((ADDRESS, 5000), (ADDRESS.lower(), 5000)),
        shares(("alice", 10_000)),
        shares((None, 10_000)),
        {**shares((ADDRESS, 10_000)), "contributor": ADDRESS},
    ],
    ids=range(17),
)
def test_faulty_shares(tags):
    """Shares are whole basis points of different addresses that sum to the whole, or refused."""
    assert check_contributors(tags) is not None
