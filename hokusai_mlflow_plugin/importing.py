"""Imports of MLflow in less time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Import without a look for garbage, and leave what is there then out of every later look.

    MLflow takes seconds to import. Hardly anything that an import makes is garbage (one MB of 500),
    and to look for some, then and ever after, takes a fifth of the time. For imports alone: what
    becomes garbage in the block is never freed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
