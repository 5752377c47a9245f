"""Tags that say where a version's model was made, and which copies were not finished (R16)."""

from __future__ import annotations

import secrets
import time

ORIGIN_TRACKING_TAG = "hokusai_origin_tracking_uri"
ORIGIN_RUN_TAG = "hokusai_origin_run_id"
ORIGIN_MODEL_TAG = "hokusai_origin_model_id"

MANIFEST = "hokusai_files.sha256"
"""File beside those of a copied model: the SHA-256 of each, as ``sha256sum --check`` reads it."""
MANIFEST_TAG = "hokusai_files_sha256"
"""On the version of a copied model: the SHA-256 of that file."""

COPY_TAG = "hokusai_copy"
"""On runs and logged models that are copies: ``COPYING``, and ``COPIED`` once a version names them.
"""
COPYING = "unfinished"
COPIED = "finished"
COPY_FOR_TAG = "hokusai_copy_for"
"""The registered model that a copy is made for, where that was created with it."""
COPY_ID_TAG = "hokusai_copy_id"
"""What is of one copy has one id: when it was begun, in epoch milliseconds, and random digits."""


_LONGEST_RUN_ID = 36


def origin_runs(*tags: str | None) -> tuple[str, ...]:
    """The runs that some copied runs are copies of, by their tags, in order (R14).

    A run's id is told apart by itself, whichever server it is of: MLflow draws 128 bits for it,
    while one server has several addresses, and a database can be moved to another. Text that is
    too long for an id names no run.
    """
    return tuple(sorted({each for each in tags if each and len(each) <= _LONGEST_RUN_ID}))


def new_copy_id() -> str:
    """An id for a copy that is begun now."""
    return f"{time.time_ns() // 1_000_000}-{secrets.token_hex(8)}"


def begun_ms(copy_id: str) -> int:
    """When a copy was begun; 0 for text that is no id."""
    begun = copy_id.partition("-")[0]
    return int(begun[:15]) if begun.isascii() and begun.isdigit() else 0
