"""Who is rewarded for a version.

Source: design R11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hokusai_mlflow_plugin.domain.errors import Violation
from hokusai_mlflow_plugin.domain.tokens import shown

CONTRIBUTOR_ADDRESS_TAG = "contributor_address"
CONTRIBUTOR_TAG = "contributor"

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def payable_address(text: str) -> str | None:
    """An Ethereum address in lower case, or None where nobody could be paid at this text."""
    return text.lower() if _ADDRESS.fullmatch(text) else None


def contributor_text(tags: Mapping[str, str]) -> str | None:
    """The contributor as the tags write it; ``contributor_address`` comes first."""
    return tags.get(CONTRIBUTOR_ADDRESS_TAG, tags.get(CONTRIBUTOR_TAG))


def check_contributors(tags: Mapping[str, str]) -> Violation | None:
    """The fault of two contributor tags that name different people, or None."""
    address, other = tags.get(CONTRIBUTOR_ADDRESS_TAG), tags.get(CONTRIBUTOR_TAG)
    if address is None or other is None or _same(address, other):
        return None
    return Violation(
        CONTRIBUTOR_ADDRESS_TAG,
        "contributor_conflict",
        f"Tags {CONTRIBUTOR_ADDRESS_TAG} ({shown(address)}) and {CONTRIBUTOR_TAG} "
        f"({shown(other)}) name different contributors. Keep one of them.",
    )


def _same(one: str, other: str) -> bool:
    return one == other or (
        payable_address(one) is not None and payable_address(one) == payable_address(other)
    )
