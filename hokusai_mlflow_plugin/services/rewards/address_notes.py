"""What is worth noting about a contributor's address.

Source: R11: a wrong EIP-55 checksum is noted, not refused.
"""

from __future__ import annotations

from eth_utils.address import is_checksum_formatted_address, to_checksum_address

from hokusai_mlflow_plugin.domain.contributors import payable_address

NOT_PAYABLE = "not_payable"
CHECKSUM_MISMATCH = "checksum_mismatch"


def address_note(text: str) -> str | None:
    """``not_payable`` for what is no address, ``checksum_mismatch`` for a mixed-case address whose
    EIP-55 checksum is wrong, else None.
    """
    address = payable_address(text)
    if address is None:
        return NOT_PAYABLE
    if is_checksum_formatted_address(text) and text != to_checksum_address(address):
        return CHECKSUM_MISMATCH
    return None
