"""R11: contributors."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from support.addresses import ADDRESS, MISTYPED_ADDRESSES

from hokusai_mlflow_plugin.domain.addresses import ZERO_ADDRESS
from hokusai_mlflow_plugin.domain.contributors import (
    Contributor,
    check_contributors,
    contributors_of,
    contributors_text,
    mistyped_contributors,
)

OTHER = "0x" + 40 * "a"


OTHER_TEXTS = [
    "0x123...",
    "",
    "alice",
    ADDRESS[:-1],
    ADDRESS + "0",
    42 * "a",
    "0x" + 39 * "a" + "g",
    "sha1:" + 40 * "a",
    f"{ADDRESS}@example.com",
    1000 * " " + "0x" + 40 * "a" + " x",
]


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_other_text_is_kept(text):
    """Any other text is kept, and nobody can be paid at it."""
    (contributor,) = contributors_of({"contributor": text})
    assert (contributor.text, contributor.address) == (text, None)
    assert check_contributors({"contributor_address": text}) is None
    assert mistyped_contributors({"contributor_address": text}) == []


@pytest.mark.parametrize("key", ["contributor_address", "contributor"])
@pytest.mark.parametrize("text", MISTYPED_ADDRESSES)
def test_mistyped_address(key, text):
    """An address but for how it is written down is refused with the address that was meant."""
    (violation,) = mistyped_contributors({key: text})
    assert (violation.key, violation.code) == (key, "contributor_mistyped")
    assert f"Did you mean '{ADDRESS}'?" in violation.message


def test_two_spellings_of_one_address():
    """Mistyped or not, both tags name the same: so the one is mended before the other."""
    for one, other in itertools.permutations([ADDRESS, ADDRESS[2:], f"{ADDRESS.lower()}\n"], 2):
        assert check_contributors({"contributor_address": one, "contributor": other}) is None


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


def test_the_zero_address_among_others():
    """It is an address, so it is kept; nobody can be paid there."""
    tags = shares((ADDRESS, 6000), (ZERO_ADDRESS, 4000))
    assert check_contributors(tags) is None
    assert [each.address for each in contributors_of(tags)] == [ADDRESS.lower(), None]


@pytest.mark.parametrize("text", MISTYPED_ADDRESSES)
def test_mistyped_address_among_others(text):
    """In the list, too, the address that was meant is told."""
    violation = check_contributors(shares((OTHER, 6000), (text, 4000)))
    assert violation.code == "contributors_invalid"
    assert f"did you mean '{ADDRESS}'?" in violation.message


@pytest.mark.parametrize("weight", [100_000 * "9", "-" + 100_000 * "9", "1e999999999", "NaN"])
def test_a_weight_without_end(weight):
    """A weight is refused by its length before it is read."""
    listed = f'[{{"address": "{ADDRESS}", "weight": {weight}}}]'
    begun = time.process_time()
    violation = check_contributors({"contributors": listed})
    assert time.process_time() - begun < 0.1
    assert "is no whole basis points" in violation.message
    assert len(violation.message) < 500


def others(count: int) -> list[str]:
    return [f"0x{number:040x}" for number in range(1, count + 1)]


def test_the_smallest_share_and_the_longest_list():
    """A basis point is a share, and a hundred contributors are a list."""
    assert check_contributors(shares((ADDRESS, 1), (OTHER, 9999))) is None
    assert check_contributors(shares(*((each, 100) for each in others(100)))) is None


NO_LIST = "not a list of 1 to 100 contributors"
NEEDS = "each entry needs exactly 'address' and 'weight'"
FAULTY = {
    NO_LIST: (
        {"contributors": "[]"},
        {"contributors": "{}"},
        {"contributors": "1"},
        shares(*((each, 99) for each in others(101))),
    ),
    NEEDS: ({"contributors": "[1]"}, {"contributors": '[{"address": "' + ADDRESS + '"}]'}),
    "a key is there twice in one entry": (
        {"contributors": f'[{{"address": "{ADDRESS}", "weight": 1, "weight": 10000}}]'},
    ),
    "an address is there twice": (shares((ADDRESS, 5000), (ADDRESS.lower(), 5000)),),
    "the weights sum to 9999": (shares((ADDRESS, 9999)),),
    "weight '0' is no whole basis points": (shares((ADDRESS, 10_000), (OTHER, 0)),),
    "weight 'True' is no whole basis points": (shares((ADDRESS, True), (OTHER, 9999)),),
    "'alice' is no Ethereum address. ": (shares(("alice", 10_000)),),
    "'None' is no Ethereum address. ": (shares((None, 10_000)),),
}


@pytest.mark.parametrize("said", FAULTY)
def test_what_is_wrong_with_shares(said):
    """The refusal says which rule of the list was broken, and how a list is written."""
    for tags in FAULTY[said]:
        violation = check_contributors(tags)
        assert (violation.key, violation.code) == ("contributors", "contributors_invalid")
        assert violation.message.startswith(f"Tag contributors invalid: {said}")
        assert '[{"address": "0x…", "weight": 6000}' in violation.message


def test_the_list_and_another_tag():
    """Whoever lists contributors names none beside; the tag to leave out is the fault's."""
    violation = check_contributors({**shares((ADDRESS, 10_000)), "contributor": ADDRESS})
    assert (violation.key, violation.code) == ("contributor_address", "contributor_conflict")


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ({}, None),
        ({"contributor_address": ADDRESS}, ADDRESS),
        ({"contributor": "alice"}, "alice"),
        (shares((ADDRESS, 10_000)), ADDRESS),
        (shares((ADDRESS, 6000), (OTHER, 4000)), f"{ADDRESS} 60 %, {OTHER} 40 %"),
        (shares((ADDRESS, 6667), (OTHER, 3333)), f"{ADDRESS} 66.67 %, {OTHER} 33.33 %"),
    ],
)
def test_what_people_read(tags, text):
    """One contributor as the tag writes it, several with their shares."""
    assert contributors_text(tags) == text


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
