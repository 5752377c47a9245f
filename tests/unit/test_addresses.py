"""R11: addresses."""

from __future__ import annotations

import pytest
from support.addresses import ADDRESS, MISTYPED_ADDRESSES

from hokusai_mlflow_plugin.domain.addresses import (
    ZERO_ADDRESS,
    address_note,
    meant_address,
    payable_address,
)


@pytest.mark.parametrize("text", [ADDRESS, ADDRESS.lower(), "0x" + 40 * "A"])
def test_address_is_payable_in_lower_case(text):
    """An Ethereum address is known in lower case; its checksum is not asked for."""
    assert payable_address(text) == text.lower()


@pytest.mark.parametrize(
    "text", [*MISTYPED_ADDRESSES, ZERO_ADDRESS, "0x123...", "", "alice", ADDRESS[:-1]]
)
def test_nobody_can_be_paid(text):
    """At any other text nobody can be paid; nor at the zero address, which nobody owns."""
    assert payable_address(text) is None
    assert address_note(text) == "not_payable"


@pytest.mark.parametrize("text", MISTYPED_ADDRESSES)
def test_address_that_was_meant(text):
    """What is an address but for how it is written down tells which one."""
    assert meant_address(text) == ADDRESS


def test_a_text_of_any_length():
    """Nobody mistypes an address by thousands of characters, and nothing looks through them."""
    assert meant_address(100_000 * "\u200b" + ADDRESS) is None
    assert meant_address(100_000 * " " + ADDRESS) == ADDRESS
    assert meant_address(158 * "\u200b" + ADDRESS) == ADDRESS  # 200 characters
    assert meant_address(159 * "\u200b" + ADDRESS) is None


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (ADDRESS, "checksum_mismatch"),
        (ADDRESS.lower(), None),
        ("0x" + ADDRESS[2:].upper(), None),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", None),  # the example of EIP-55
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "checksum_mismatch"),
    ],
)
def test_checksum(text, note):
    """A mixed-case address whose EIP-55 checksum is wrong is noted."""
    assert address_note(text) == note
