"""How many examples property tests try: a few in ``make test``, all of them in CI."""

from __future__ import annotations

import os

VARIABLE = "HOKUSAI_TEST_LONG"
_SHARE = 4


def share(count: int) -> int:
    """That many with ``HOKUSAI_TEST_LONG=true``, else a quarter."""
    return count if os.environ.get(VARIABLE) == "true" else max(1, count // _SHARE)
