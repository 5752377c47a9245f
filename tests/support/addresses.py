"""An address, and the ways in which it gets mistyped."""

from __future__ import annotations

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
MISTYPED_ADDRESSES = [
    " " + ADDRESS,
    ADDRESS + " ",
    ADDRESS + "\n",
    ADDRESS + "\r\n",
    ADDRESS[:10] + " " + ADDRESS[10:],
    ADDRESS[:22] + "\n" + ADDRESS[22:],
    "\u00a0" + ADDRESS,
    "\ufeff" + ADDRESS,
    ADDRESS[:2] + "\u200b" + ADDRESS[2:],
    "0X" + ADDRESS[2:],
    "Ox" + ADDRESS[2:],
    "0x0x" + ADDRESS[2:],
    "x" + ADDRESS[2:],
    ADDRESS[2:],
    f'"{ADDRESS}"',
    f"<{ADDRESS}>",
    f"{ADDRESS},",
    f"ethereum:{ADDRESS}",
    f"eth:{ADDRESS}",
    "".join(chr(ord(letter) + 0xFEE0) for letter in ADDRESS),
]
