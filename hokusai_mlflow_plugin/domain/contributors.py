"""Who is rewarded for a version.

Source: R11, and for several contributors the tag ``contributors``: a JSON list of objects
with ``address`` and ``weight``, the weights being basis points that sum to 10,000.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hokusai_mlflow_plugin.domain.addresses import is_address, meant_address, payable_address
from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

CONTRIBUTOR_ADDRESS_TAG = "contributor_address"
CONTRIBUTOR_TAG = "contributor"
CONTRIBUTORS_TAG = "contributors"
CONTRIBUTOR_TAGS = (CONTRIBUTOR_ADDRESS_TAG, CONTRIBUTOR_TAG, CONTRIBUTORS_TAG)
MISTYPED = "contributor_mistyped"
"""Code of a fault that is of the write alone: stored, such tags are those of a version that nobody
can be paid for, and it stays tokenised."""
FULL_WEIGHT = 10_000
"""Basis points in the whole."""

_MAX_CONTRIBUTORS = 100


@dataclass(frozen=True)
class Contributor:
    """One contributor and the share of the reward."""

    text: str
    """As the tag writes it."""
    weight: int
    """In basis points."""

    @property
    def address(self) -> str | None:
        """The Ethereum address in lower case, or None where nobody could be paid at this text."""
        return payable_address(self.text)


def contributors_of(tags: Mapping[str, str]) -> tuple[Contributor, ...]:
    """The contributors that valid tags name; none where they name nobody."""
    if CONTRIBUTORS_TAG in tags:
        return tuple(Contributor(s["address"], s["weight"]) for s in _shares(tags))
    text = tags.get(CONTRIBUTOR_ADDRESS_TAG, tags.get(CONTRIBUTOR_TAG))
    return () if text is None else (Contributor(text, FULL_WEIGHT),)


def contributors_text(tags: Mapping[str, str]) -> str | None:
    """Who contributed, for people: as the tags write it, payable or not; None for nobody.

    Several are written with their shares: ``0x…a1 60 %, 0x…b2 40 %``.
    """
    found = contributors_of(tags)
    if len(found) == 1:
        return found[0].text
    return ", ".join(f"{each.text} {each.weight / 100:g} %" for each in found) or None


def mistyped_contributors(tags: Mapping[str, str]) -> list[Violation]:
    """Addresses that were mistyped in tags of one contributor: nobody could ever be paid there."""
    found = []
    for key in (CONTRIBUTOR_ADDRESS_TAG, CONTRIBUTOR_TAG):
        text = tags.get(key, "")
        if not is_address(text) and (meant := meant_address(text)) is not None:
            message = (
                f"Tag {key} is {shown(text)}, where nobody can be paid. Did you mean '{meant}'?"
            )
            found.append(Violation(key, MISTYPED, message))
    return found


def check_contributors(tags: Mapping[str, str]) -> Violation | None:
    """The fault of the contributor tags, or None."""
    for key in (CONTRIBUTOR_ADDRESS_TAG, CONTRIBUTOR_TAG):
        if "\0" in tags.get(key, ""):
            return Violation(
                key,
                "contributor_invalid",
                f"Tag {key} is {shown(tags[key])}, with a NUL in it. Write a name or an address.",
            )
    address, other = tags.get(CONTRIBUTOR_ADDRESS_TAG), tags.get(CONTRIBUTOR_TAG)
    if address is not None and other is not None and not _same(address, other):
        return _conflict(
            f"Tags {CONTRIBUTOR_ADDRESS_TAG} ({shown(address)}) and {CONTRIBUTOR_TAG} "
            f"({shown(other)}) name different contributors. Keep one of them."
        )
    if CONTRIBUTORS_TAG not in tags:
        return None
    if address is not None or other is not None:
        return _conflict(
            f"Tag {CONTRIBUTORS_TAG} lists every contributor: leave out {CONTRIBUTOR_ADDRESS_TAG} "
            f"and {CONTRIBUTOR_TAG}."
        )
    try:
        _check_shares(_shares(tags))
    except (ValueError, RecursionError) as error:
        return Violation(
            CONTRIBUTORS_TAG,
            "contributors_invalid",
            f"Tag {CONTRIBUTORS_TAG} invalid: {error}. Use a JSON list such as "
            '[{"address": "0x…", "weight": 6000}, {"address": "0x…", "weight": 4000}], the weights '
            f"being basis points that sum to {FULL_WEIGHT}.",
        )
    return None


def _shares(tags: Mapping[str, str]) -> Any:
    return json.loads(
        tags[CONTRIBUTORS_TAG], object_pairs_hook=_each_key_once, parse_int=_short_number
    )


def _short_number(digits: str) -> int:
    if len(digits) > len(str(FULL_WEIGHT)):  # reading a long one takes time in its square
        raise ValueError(f"{shown(digits)} is no whole basis points")
    return int(digits)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Some parsers keep the first of two, some the last: who is paid must not depend on that.
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice in one entry")
    return dict(pairs)


def _check_shares(shares: Any) -> None:
    if not isinstance(shares, list) or not 1 <= len(shares) <= _MAX_CONTRIBUTORS:
        raise ValueError(f"not a list of 1 to {_MAX_CONTRIBUTORS} contributors")
    for share in shares:
        if not isinstance(share, dict) or set(share) != {"address", "weight"}:
            raise ValueError("each entry needs exactly 'address' and 'weight'")
        _check_address(share["address"])
        # Not isinstance: True is an int, too.
        if type(share["weight"]) is not int or not 1 <= share["weight"] <= FULL_WEIGHT:
            raise ValueError(f"weight {shown(str(share['weight']))} is no whole basis points")
    if len({share["address"].lower() for share in shares}) < len(shares):
        raise ValueError("an address is there twice")
    if (total := sum(share["weight"] for share in shares)) != FULL_WEIGHT:
        raise ValueError(f"the weights sum to {total}")


def _check_address(text: object) -> None:
    if isinstance(text, str) and is_address(text):
        return
    meant = meant_address(text) if isinstance(text, str) else None
    hint = f"; did you mean '{meant}'?" if meant else ""
    raise ValueError(f"{shown(str(text))} is no Ethereum address{hint}")


def _conflict(message: str) -> Violation:
    return Violation(CONTRIBUTOR_ADDRESS_TAG, "contributor_conflict", message)


def _same(one: str, other: str) -> bool:
    meant = meant_address(one)
    return one == other or (meant is not None and _folded(meant) == _folded(meant_address(other)))


def _folded(address: str | None) -> str | None:
    return address and address.lower()
