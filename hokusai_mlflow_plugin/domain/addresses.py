"""Ethereum addresses: which can be paid, which were mistyped, what is worth noting about one.

Source: R11.
"""

from __future__ import annotations

import re
import unicodedata

NOT_PAYABLE = "not_payable"
CHECKSUM_MISMATCH = "checksum_mismatch"
ZERO_ADDRESS = "0x" + 40 * "0"

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_MISTYPED = re.compile(r"(?:eth(?:ereum)?)?(?:[0o]?x)*([0-9a-f]{40})", re.IGNORECASE)
_LONGEST_MISTYPED = 200
"""More blanks and marks than that are no slip of the keyboard; it bounds the cost of a look."""


def is_address(text: str) -> bool:
    """Whether the whole text is ``0x`` and 40 hex digits."""
    return _ADDRESS.fullmatch(text) is not None


def payable_address(text: str) -> str | None:
    """An Ethereum address in lower case, or None where nobody could be paid at this text.

    Nobody owns the zero address: what is minted to it reverts, or is burnt.
    """
    address = text.lower()
    return address if is_address(text) and address != ZERO_ADDRESS else None


def meant_address(text: str) -> str | None:
    """The address that a text is but for how it is written down, else None.

    It may have blanks, line ends, invisible characters or punctuation in it or around it,
    full-width letters, the scheme of a payment link, another spelling of ``0x``, or none.
    """
    text = text.strip()
    if len(text) > _LONGEST_MISTYPED:
        return None
    letters = "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())
    match = _MISTYPED.fullmatch(letters)
    return f"0x{match[1]}" if match else None


def address_note(text: str) -> str | None:
    """``not_payable``, or ``checksum_mismatch`` where the case is not that of EIP-55, else None.

    An address all in lower or all in upper case has no checksum.
    """
    address = payable_address(text)
    if address is None:
        return NOT_PAYABLE
    # The client imports this module, and most of its users name no address.
    from eth_utils.address import (  # noqa: PLC0415
        is_checksum_formatted_address,
        to_checksum_address,
    )

    if is_checksum_formatted_address(text) and text != to_checksum_address(address):
        return CHECKSUM_MISMATCH
    return None
